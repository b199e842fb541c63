"""Renderings that several tests read; a test that changes files renders its own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.template import COMBINATIONS, copied, render

# The groups that take minutes, the longest first. When they come last, one process is left alone
# with them.
SLOW = [
    "deployments",
    *("postgresql-oidc", "mysql-oidc", "postgresql-session", "mysql-session"),
    *("postgresql-token", "mysql-token", "tests/test_rendered_suite.py"),
    *("tests/test_rendered_oidc.py", "tests/test_rendered_api.py"),
    *("tests/sabotage/test_sabotage.py", "tests/fuzz/test_data.py"),
]


def group(nodeid: str) -> str:
    """The tests that one process runs: those of a file or of one service; all that share a daemon,
    or that look at every rendering.

    Those with a browser as well: Chromium drops its connections when a network interface appears,
    as one does with each container.
    """
    file = nodeid.partition("::")[0]
    if re.search(r"test_(bake|sources|workflows)\.py$", file):
        return "renderings"
    if re.search(r"test_(browser\w*|docker|kubernetes|provider|systemd)\.py$", file):
        return "deployments"
    service = re.search(r"\b(postgresql|mysql)-(session|token|oidc)\b", nodeid)
    return service[0] if service and file.endswith("test_databases.py") else file


class Groups(LoadScopeScheduling):
    """Gives each process one group after another."""

    def _split_scope(self, nodeid: str) -> str:
        return group(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Groups:
    """Distribute the tests by group."""
    return Groups(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the slow groups first; ``--no-loadscope-reorder`` keeps this order."""
    order = {name: place for place, name in enumerate(SLOW)}
    items.sort(key=lambda item: order.get(group(item.nodeid), len(SLOW)))


@pytest.fixture(
    scope="session", params=COMBINATIONS, ids=lambda answers: "-".join(answers.values())
)
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The service with each combination of choices; defaults for the other answers."""
    return render(tmp_path_factory.mktemp("rendered"), **request.param)


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the template like a new clone, without a virtual environment."""
    return copied(tmp_path_factory.mktemp("checkout") / "template")
