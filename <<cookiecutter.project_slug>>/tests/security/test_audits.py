"""Audits that look away: skipped tests, unexplained exceptions, packages that nobody audited."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask import Flask

from app.security import audits
from app.settings import ConfigurationError
from tests.marks import asvs

ROOT = Path(__file__).parents[2]
CODE = ["app", "deploy", "migrations", "wsgi.py"]
HINT = "install with: pip install --require-hashes -r requirements.lock"


def bandit(*paths: str | Path) -> subprocess.CompletedProcess[str]:
    """The commands of ``make bandit``."""
    command = [sys.executable, "-m", "bandit", "-q", "-c", "pyproject.toml", "-r", *map(str, paths)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@asvs("1.2.5", "1.3.2", "1.5.2", "13.4.2")
def test_bandit_finds_nothing() -> None:
    result = bandit(*CODE)
    assert result.returncode == 0, result.stdout


PLANTED = {
    "B105": 'password = "wool-lantern-orbit"',  # of low severity: no level is left out
    "B201": "import flask; app.run(debug=True)",
    "B301": "import pickle; pickle.loads(body)",
    "B307": "eval(body)",
    "B324": "import hashlib; hashlib.md5(body)",
    "B501": 'import requests; requests.get("https://a.example", verify=False)',
    "B602": "import subprocess; subprocess.run(body, shell=True)",
    "B608": 'cursor.execute(f"SELECT * FROM users WHERE email = {body}")',
    "B701": "import jinja2; jinja2.Environment(autoescape=False)",
    "B704": "import markupsafe; markupsafe.Markup(body)",
}


@asvs("1.2.5", "1.3.2", "1.5.2", "13.4.2")
def test_bandit_finds_what_is_planted(tmp_path: Path) -> None:
    for test_id, defect in PLANTED.items():
        (tmp_path / f"{test_id}.py").write_text(f"{defect}\n")
    result = bandit(tmp_path)
    assert result.returncode == 1
    assert set(PLANTED) <= set(re.findall(r"Issue: \[(B\d+):", result.stdout))


def test_bandit_skips_nothing() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    assert settings["bandit"] == {"skips": []}
    assert "S" in settings["ruff"]["lint"]["select"]
    assert not [code for code in settings["ruff"]["lint"]["ignore"] if re.fullmatch(r"S\d*", code)]
    assert list(settings["ruff"]["lint"]["per-file-ignores"]) == ["tests/**"]


def test_every_exception_has_an_id_and_a_reason() -> None:
    files = [file for name in CODE for file in (ROOT / name).rglob("*.py")] + [ROOT / "wsgi.py"]
    assert len(files) > 30
    exceptions = 0
    for file in files:
        for number, line in enumerate(file.read_text().splitlines(), 1):
            place = f"{file.relative_to(ROOT)}:{number}"
            if "nosec" in line or "noqa" in line:
                exceptions += 1
                ids = r"# (nosec( B\d{3})+|noqa:( [A-Z]+\d+,?)+) "
                assert re.fullmatch(rf"[^#]*({ids})+- \w.{{5,}}", line), place
    assert exceptions >= 1


# --- The workflow that audits when nobody asks for it


@pytest.fixture(scope="module")
def workflow() -> dict[Any, Any]:
    return dict(yaml.safe_load((ROOT / ".github/workflows/security.yml").read_text()))


@asvs("15.2.1")
def test_the_audit_runs_on_every_change_and_every_week(workflow: dict[Any, Any]) -> None:
    triggers = workflow[True]  # YAML 1.1 reads "on" as a truth value
    assert triggers.keys() == {"push", "pull_request", "schedule"}
    assert triggers["push"] is None, "no branch is left out"
    assert triggers["pull_request"] is None
    (schedule,) = triggers["schedule"]
    assert re.fullmatch(r"\d+ \d+ \* \* [0-6]", schedule["cron"]), "once a week"


@asvs("15.2.1")
def test_the_audit_runs_what_can_be_run_locally(workflow: dict[Any, Any]) -> None:
    makefile = (ROOT / "Makefile").read_text()
    job = workflow["jobs"]["audit"]
    commands = [step["run"] for step in job["steps"] if step.get("run", "").startswith("make")]
    targets = [command.removeprefix("make ") for command in commands]
    assert set(targets) >= {"bandit", "workflows", "nginx", "secrets", "vulnerabilities"}
    assert re.search(rf"^audit: {' '.join(targets)} ", makefile, re.MULTILINE)
    assert not [step for step in [job, *job["steps"]] if {"if", "continue-on-error"} & step.keys()]


def test_the_audit_leaves_nothing_out() -> None:
    makefile = (ROOT / "Makefile").read_text()
    recipes = dict(re.findall(r"^([a-z]+):.*\n((?:\t.*\n)+)", makefile, re.MULTILINE))
    assert f"--recursive {' '.join(CODE)}\n" in recipes["bandit"]
    assert not re.search(r"\s-l|--level|--exit-zero|\|\|", recipes["bandit"])
    assert "--persona auditor" in recipes["workflows"]
    assert {"--strict", "--require-hashes"} <= set(recipes["vulnerabilities"].split())
    for lock in ROOT.glob("requirements*.lock"):
        assert f"-r {lock.name}" in recipes["vulnerabilities"]


def test_the_audit_may_only_read(workflow: dict[Any, Any]) -> None:
    """The other job shows what was found on GitHub's Security tab, and may do that alone."""
    rights = {name: job["permissions"] for name, job in workflow["jobs"].items()}
    assert workflow["permissions"] == {}
    assert rights == {
        "audit": {"contents": "read"},
        "scanning": {"contents": "read", "security-events": "write"},
    }
    for job in workflow["jobs"].values():
        for step in job["steps"]:
            assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", step.get("uses", f"a@{'0' * 40}"))


WORKFLOWS = sorted((ROOT / ".github/workflows").iterdir())


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_workflow_may_only_read_and_takes_nothing_by_a_tag(path: Path) -> None:
    """A tag can be moved to other code; a pull request's code must not run with our rights."""
    workflow = yaml.safe_load(path.read_text())
    assert workflow[True].keys() <= {"push", "pull_request", "schedule"}
    assert workflow["permissions"] == {}
    for job in workflow["jobs"].values():
        rights = dict(job["permissions"])
        assert rights.pop("security-events", "write") == "write"  # to show what was found
        assert rights == {"contents": "read"}
        for action in [job, *job["steps"]]:
            assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", action.get("uses", f"a@{'0' * 40}"))


# --- What runs is what was audited


@pytest.fixture
def lock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A lock of our own in the place of the service's."""
    path = tmp_path / "requirements.lock"
    monkeypatch.setattr(audits, "LOCK", path)
    return path


FLASK = version("flask")


@asvs("15.2.1")
@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (f"flask=={FLASK} \\\n    --hash=sha256:00\n", None),
        (f"# flask==0.1\nFlask=={FLASK}\n", None),
        (
            "flask==0.1 \\\n    --hash=sha256:00\n",
            f"flask {FLASK} runs, but 0.1 was audited; {HINT}",
        ),
        ("flask==0.1 ; python_version > '3'\n", f"flask {FLASK} runs, but 0.1 was audited; {HINT}"),
        # Pinned twice, under markers that exclude each other: either may run.
        (f"flask==0.1 ; python_version < '3'\nflask=={FLASK} ; python_version >= '3'\n", None),
        ("no-such-package==1 \\\n", f"no-such-package is not installed; {HINT}"),
        ("no-such-package==1 ; sys_platform == 'win32' \\\n", None),
        ("no-such-package==1; sys_platform == 'win32'\n", None),
        (
            None,
            "requirements.lock is missing next to the app; what runs cannot be compared with the audit",
        ),
    ],
)
def test_start_up_refuses_what_was_not_audited(
    make_app: Callable[..., Flask], lock: Path, content: str | None, problem: str | None
) -> None:
    if content is not None:
        lock.write_text(content)
    if problem is None:
        make_app()
        return
    with pytest.raises(ConfigurationError) as refused:
        make_app()
    assert refused.value.problems == [problem]


@asvs("15.2.4")
def test_the_lock_pins_every_package_by_version_and_hash() -> None:
    for name in ("requirements.lock", "requirements-dev.lock", "requirements-audit.lock"):
        text = re.sub(r"\\\n", "", (ROOT / name).read_text())
        lines = [line for line in text.splitlines() if line and not line.startswith("#")]
        assert len(lines) > 20
        for line in lines:
            assert re.match(r"[A-Za-z0-9._-]+==\S+ ", line), line[:80]
            assert re.search(r" --hash=sha256:[0-9a-f]{64}", line), line[:80]
