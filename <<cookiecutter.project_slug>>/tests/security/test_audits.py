"""Audits that look away: skipped tests, unexplained exceptions, packages that nobody audited."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib.metadata import distributions, version
from pathlib import Path

import pytest
from flask import Flask
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from app.security import audits
from app.settings import ConfigurationError
from tests import needs
from tests.marks import asvs, slow
from tests.needs import AUDITORS

ROOT = Path(__file__).parents[2]
CODE = ["app", "deploy", "migrations", "wsgi.py"]
# Packages of the tests that others of production need.
SHARED: set[str] = set()
HINT = "install with: pip install --require-hashes -r requirements.lock"


def bandit(*paths: str | Path) -> subprocess.CompletedProcess[str]:
    """The commands of ``make bandit``."""
    command = [sys.executable, "-m", "bandit", "-q", "-c", "pyproject.toml", "-r", *map(str, paths)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@slow
@asvs("1.2.5", "1.3.2", "1.5.2", "13.4.2")
def test_bandit_finds_nothing() -> None:
    result = bandit(*CODE)
    # Nor does it warn: among warnings that are no problem, nobody sees the next one that is.
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


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
@slow
def test_bandit_finds_what_is_planted(tmp_path: Path) -> None:
    for test_id, defect in PLANTED.items():
        (tmp_path / f"{test_id}.py").write_text(f"{defect}\n")
    result = bandit(tmp_path)
    assert result.returncode == 1
    assert set(PLANTED) <= set(re.findall(r"Issue: \[(B\d+):", result.stdout))


def test_every_exception_has_an_id_and_a_reason() -> None:
    files = [file for name in CODE for file in (ROOT / name).rglob("*.py")] + [ROOT / "wsgi.py"]
    assert len(files) > 30
    exceptions = 0
    for file in files:
        for number, line in enumerate(file.read_text().splitlines(), 1):
            place = f"{file.relative_to(ROOT)}:{number}"
            if "nosec" in line or "noqa" in line:
                exceptions += 1
                # The reason first: Bandit takes each word after "nosec" for an id, and warns.
                ids = r" # (nosec( B\d{3})+|noqa:( [A-Z]+\d+,?)+)"
                assert re.fullmatch(rf"[^#]*# \w[^#]{{5,}}({ids})+", line), place
    assert exceptions >= 1


@asvs("15.2.3")
def test_production_has_no_package_of_the_tests() -> None:
    """Nor of the audits: what is not there helps no intruder."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = [it for group in project["dependency-groups"].values() for it in group]
    needed = named(project["project"]["dependencies"])
    assert needed <= (locked := named((ROOT / "requirements.lock").read_text().splitlines()))
    assert locked & (named(groups) - needed - SHARED) == set()


@asvs("15.1.2")
@pytest.mark.parametrize(
    ("lock", "group"),
    [("requirements", ""), ("requirements-dev", "dev"), ("requirements-audit", "audit")],
)
def test_a_lock_has_only_what_something_asks_for(lock: str, group: str) -> None:
    """A package that somebody adds by hand runs its own code, with all that the service may do."""
    if group == "audit":
        needs.auditor("pip-audit")
    where = [str(next(AUDITORS.parent.glob("lib/*/site-packages")))] if group == "audit" else None
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    asked = project["dependency-groups"][group] if group else project["project"]["dependencies"]
    found = {
        canonicalize_name(str(it.name)): it.requires or []
        for it in (distributions(path=where) if where else distributions())
    }
    seen: set[tuple[str, str]] = set()
    todo = [Requirement(it) for it in asked]
    while todo:
        requirement = todo.pop()
        name = canonicalize_name(requirement.name)
        for extra in {"", *requirement.extras} - {it for known, it in seen if known == name}:
            seen.add((name, extra))
            for inner in map(Requirement, found.get(name, [])):
                optional = re.search(r"extra == [\"']([\w-]+)", str(inner.marker or ""))
                if (optional[1] if optional else "") == extra:
                    todo.append(inner)
    locked = named((ROOT / f"{lock}.lock").read_text().splitlines())
    assert {canonicalize_name(it) for it in locked} - {name for name, _ in seen} == set()


def named(lines: list[str]) -> set[str]:
    """The packages that requirements name."""
    return {it[0].lower() for line in lines if (it := re.match(r"[A-Za-z0-9._-]+", line))}


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
            "requirements.lock is missing next to the app, so nothing was compared; copy it there",
        ),
    ],
)
def test_start_up_refuses_what_was_not_audited(
    make_app: Callable[..., Flask], lock: Path, content: str | None, problem: str | None
) -> None:
    if content is not None:
        lock.write_text(content)
    problems = []
    try:
        make_app()
    except ConfigurationError as refused:
        problems = refused.problems
    assert problems == ([problem] if problem else [])


@asvs("15.1.2", "15.2.4")
@pytest.mark.parametrize("name", ["requirements", "requirements-dev", "requirements-audit"])
def test_the_lock_pins_every_package_by_version_and_hash(name: str) -> None:
    """From the index alone: no other index, no repository, no file of this machine."""
    text = re.sub(r"\\\n", "", (ROOT / f"{name}.lock").read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert len(lines) > 20
    for line in lines:
        pinned = r"[A-Za-z0-9._-]+==[^\s;]+( ; [^#]+?)?(\s+--hash=sha256:[0-9a-f]{64})+\s*"
        assert re.fullmatch(pinned, line), line[:80]
