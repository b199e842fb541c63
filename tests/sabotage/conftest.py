"""A service for each set of answers, and the table of found defects."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.live.conftest import install_packages, lacking
from tests.sabotage.defect import Defect, Service
from tests.template import environment, render
from tests.test_databases import SERVERS


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Callable[[dict[str, str]], Path]:
    """A function that renders the service with these answers, once for each set."""
    made: dict[str, Path] = {}

    def make(answers: dict[str, str]) -> Path:
        if (key := str(answers)) not in made:
            slug = f"sabotage-{secrets.token_hex(4)}"  # names roles and a database as well
            made[key] = render(tmp_path_factory.mktemp("sabotage"), project_slug=slug, **answers)
        return made[key]

    return make


@pytest.fixture(scope="session")
def service(
    request: pytest.FixtureRequest, rendered: Callable[[dict[str, str]], Path]
) -> Callable[[dict[str, str]], Service]:
    """A function that also installs the service and creates its database."""

    def make(answers: dict[str, str]) -> Service:
        folder = rendered(answers)
        made = Service(folder, environment(folder.parent))
        if (folder / ".venv").exists():
            return made
        server = SERVERS.get(answers.get("database", "sqlite"))
        if server and (reason := server.missing()):
            lacking(reason)
        choices = [answers[axis] for axis in ("database", "auth") if axis in answers]
        install_packages(folder, f"service-{'-'.join(choices) or 'session'}")
        if server:
            request.addfinalizer(lambda: server.clean(folder.name))
            status, output = made.make("db")
            assert status == 0, output
        return made

    return make


@pytest.fixture(scope="session")
def clean(
    request: pytest.FixtureRequest, service: Callable[[dict[str, str]], Service]
) -> Callable[[Defect], str]:
    """A function that returns the result of a guard without a defect; it runs all guards once."""
    parameters = [getattr(it, "callspec", None) for it in request.session.items]
    planted = [it.params["defect"] for it in parameters if it and "defect" in it.params]
    states: dict[str, dict[str, str]] = {}

    def state(defect: Defect) -> str:
        if (key := str(defect.answers)) not in states:
            guards = [it.guard for it in planted if it.answers == defect.answers]
            states[key] = service(defect.answers).states(guards)
        return states[key][defect.guard]

    return state


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print for each practice how many of the planted defects were found."""
    counts = {
        outcome: Counter(
            dict(report.user_properties).get("practice")
            for report in terminalreporter.getreports(outcome)
            if report.when == "call"
        )
        for outcome in ("passed", "failed")
    }
    planted = counts["passed"] + counts["failed"]
    planted.pop(None, None)  # tests that plant nothing
    if not planted:
        return
    terminalreporter.section("sabotage: found / planted")
    for practice in sorted(planted):
        survived = counts["failed"][practice]
        note = f"   {survived} not found" if survived else ""
        found = counts["passed"][practice]
        terminalreporter.line(f"{practice:20}{found:4} / {planted[practice]}{note}")
    found = sum(counts["passed"][practice] for practice in planted)
    terminalreporter.line(f"{'together':20}{found:4} / {planted.total()}")
