"""The gates of ``make check`` and ``make audit``: each command in full, and no failure is hidden.

Whoever changes a gate changes this table as well, and a reviewer sees it.
"""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest

from app.database import dialect
from tests.marks import asvs, practice, slow
from tests.security.make import AUDIT, FOUND, RUN, Make

pytestmark = practice("audits")

PYTHON, AUDITOR = f"{RUN}/python -m", f"{AUDIT}/python -m"
LOCKS = "-r requirements.lock -r requirements-dev.lock -r requirements-audit.lock"
BANDIT = "bandit --quiet --configfile pyproject.toml --recursive app deploy migrations wsgi.py"
DATABASE = [f"{PYTHON} flask --app wsgi db create"] if dialect.NAME != "SQLite" else []
PYTEST = f"{PYTHON} pytest --numprocesses auto --dist loadfile --no-loadscope-reorder"
PIP_AUDIT = "pip_audit --strict --require-hashes --disable-pip --progress-spinner off"
COMPILE = (
    f"{PYTHON} uv pip compile --quiet --universal --python-version 3.11 --generate-hashes"
    " --exclude-newer 7 days --no-emit-index-url --no-annotate --custom-compile-command make lock"
)
CHECK = {
    "lint": [f"{PYTHON} ruff check", f"{PYTHON} ruff format --check"],
    "types": [f"{PYTHON} mypy"],
    "bandit": [f"{PYTHON} {BANDIT}"],
    "packages": [f"{PYTHON} uv pip check"],
    # What judges conftest.py runs without it. Then the slow tests too, with all attacks.
    "report": [
        *DATABASE,
        f"{PYTHON} pytest --quiet --noconftest tests/security/test_tool_settings.py",
        f"PYTHONDONTWRITEBYTECODE= {PYTEST} -p tests.report",
    ],
}
CONTAINER = Path("Dockerfile").exists()
HADOLINT = [f"{AUDIT}/hadolint --no-color Dockerfile"]
AUDITS = {
    "bandit": CHECK["bandit"],
    "workflows": [f"{AUDIT}/zizmor --quiet --offline --no-progress --persona auditor .github"],
    "nginx": [f"{AUDIT}/gixy deploy/nginx/nginx.conf"],
    **({"dockerfile": HADOLINT} if CONTAINER else {}),
    "secrets": [
        f"{FOUND}/git rev-parse HEAD",
        f"{FOUND}/gitleaks detect --no-banner --redact --verbose",
    ],
    # First what it may pass over, and until when: that module fails for an exception that is over.
    "vulnerabilities": [f"{PYTHON} tests.accepted", f"{AUDITOR} {PIP_AUDIT} {LOCKS}"],
    "sbom": [
        f"{AUDITOR} cyclonedx_py requirements requirements.lock --output-reproducible"
        " -o build/sbom.json"
    ],
}
OTHERS = {
    "sarif": [f"{AUDITOR} {BANDIT} --exit-zero --format sarif --output build/bandit.sarif"],
    "test": [*DATABASE, f"ATTACKS=sample PYTHONDONTWRITEBYTECODE= {PYTEST} -m not slow"],
    "lock": [
        f"{COMPILE} --output-file requirements.lock pyproject.toml",
        f"{COMPILE} --output-file requirements-dev.lock --group dev --constraint requirements.lock",
        f"{COMPILE} --output-file requirements-audit.lock --group audit",
    ],
    "deploy-check": [f"{AUDIT}/sh deploy/<< cookiecutter.deployment >>/check.sh"],
    "check": [call for calls in CHECK.values() for call in calls],
    "audit": [call for calls in AUDITS.values() for call in calls],
}
TARGETS = CHECK | AUDITS | OTHERS
INSTALL = "--quiet --require-hashes --only-binary :all: --no-deps"


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    return Make(tmp_path_factory.mktemp("make"))


@asvs("15.1.2", "15.2.1")
@pytest.mark.parametrize("target", TARGETS)
def test_a_target_runs_this_and_nothing_else(make: Make, target: str) -> None:
    result = make.run(target)
    assert result.calls == TARGETS[target]
    assert result.status == 0


@asvs("15.2.1")
@pytest.mark.parametrize("target", ["check", "audit", "deploy-check", "test", "lock", "sarif"])
@slow
def test_no_failure_is_hidden(make: Make, target: str) -> None:
    """Nor does a gate do something else where it matters most: in CI."""
    assert make.run(target, ci=True).calls == TARGETS[target]
    for call in TARGETS[target]:
        if "git rev-parse" not in call:  # it asks whether there is a commit
            command = re.sub(r"^([A-Z]+=\w* )+", "", call)
            assert make.run(target, fails=command, ci=True).status != 0, command


def test_a_secret_scan_without_its_program_fails(make: Make) -> None:
    program = make.folder / FOUND / "gitleaks"
    hidden = program.rename(make.folder / "gitleaks")
    result = make.run("secrets")
    hidden.rename(program)
    assert (result.status != 0, result.calls) == (True, [])


@asvs("13.3.2")
def test_only_the_developer_reads_the_key(tmp_path: Path) -> None:
    make, written = Make(tmp_path), tmp_path / ".env"
    written.unlink()
    call = f"{FOUND}/python3 -c import secrets; print(secrets.token_urlsafe(48))"
    assert make.run(".env").calls == [call]
    assert written.read_text() == "APP_ENV=development\nSECRET_KEY=\n"
    assert stat.S_IMODE(written.stat().st_mode) == 0o600


@asvs("15.2.4")
@pytest.mark.parametrize("uv", [f"{FOUND}/uv", ""], ids=["uv", "pip"])
def test_nothing_is_installed_without_its_hash_or_from_sources(make: Make, uv: str) -> None:
    """A source distribution runs its author's code when it is built."""

    def install(place: str, rest: str) -> str:
        python = f"{place}/bin/python"
        pip = f"{python} -m pip install --disable-pip-version-check"
        return f"{f'{uv} pip install --python {python}' if uv else pip} {INSTALL} {rest}"

    without_pip = " --without-pip" if uv else ""
    assert make.install(f"UV={uv}") == [
        f"{FOUND}/python3 -m venv --clear{without_pip} .venv",
        install(".venv", "--compile -r requirements.lock"),
        install(".venv", "--no-compile -r requirements-dev.lock"),
        f"{PYTHON} venv --clear{without_pip} .venv/audit",
        install(".venv/audit", "--no-compile -r requirements-audit.lock"),
    ]
