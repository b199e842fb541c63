"""The workflows of GitHub, Dependabot and the hooks before a commit: what they do, and no more.

Whoever changes one changes its table here as well, and a reviewer sees it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.database import dialect
from tests.marks import asvs, practice
from tests.security.test_gates import AUDITS, CONTAINER

pytestmark = practice("audits")

FOLDER = Path(".github/workflows")
CHECKOUT = {"uses": "actions/checkout", "with": {"persist-credentials": False}}
BEFORE = {"uses": "actions/checkout", "with": {"persist-credentials": False, "fetch-depth": 2}}
WHOLE = {"uses": "actions/checkout", "with": {"persist-credentials": False, "fetch-depth": 0}}
KEEP = {"uses": "actions/upload-artifact", "with": {"name": "sbom", "path": "build/sbom.json"}}
SHOW = {
    "uses": "github/codeql-action/upload-sarif",
    "with": {"sarif_file": "build/bandit.sarif", "category": "bandit"},
}
SIGNER = {"uses": "sigstore/cosign-installer", "with": {"cosign-release": "v3.0.6"}}
TARGETS = "app nginx certbot" if Path("compose.yaml").exists() else "app nginx"
PUBLISH = {
    "run": f'sh deploy/release/publish.sh {TARGETS} >> "$GITHUB_STEP_SUMMARY"',
    "env": {
        "IMAGE": "${{ vars.IMAGE }}",
        "VERSION": "${{ github.ref_name }}",
        "REGISTRY_USER": "${{ vars.REGISTRY_USER }}",
        "REGISTRY_PASSWORD": "${{ secrets.REGISTRY_PASSWORD }}",
    },
}
SUMMARY = {
    "if": "${{ !cancelled() }}",
    "run": "if [ -f build/report/summary.md ]; then\n"
    '  cat build/report/summary.md >> "$GITHUB_STEP_SUMMARY"\n'
    '  make --silent practices ARGS="--since HEAD^1" >> "$GITHUB_STEP_SUMMARY"\nfi\n',
}
IMAGE = r"python:3\.\d+-slim-trixie@sha256:[0-9a-f]{64}"  # Debian 13: its Nginx is new enough
# Of Debian, whose keys the image has: no script of somebody else.
PROGRAMS = "git gitleaks make nginx-light openssl procps prometheus redis-server"
PROGRAMS += " nodejs npm" if Path("tests/provider").exists() else ""
PROGRAMS += " kubernetes-client" if Path("deploy/kubernetes").exists() else ""
PROGRAMS += {"SQLite": "", "PostgreSQL": " postgresql", "MySQL": " mariadb-server"}[dialect.NAME]
INSTALL = [
    "apt-get update --quiet",
    f"apt-get install --yes --quiet --no-install-recommends {PROGRAMS}",
]
START = {
    "SQLite": [],
    "PostgreSQL": [
        "service postgresql start",
        "runuser -u postgres -- createuser --superuser root",
    ],
    "MySQL": ["service mariadb start"],
}[dialect.NAME]
AUDITORS = "make .venv/audit/installed"
# Root works in the folder of another user of the machine.
OURS = 'git config --global --add safe.directory "$GITHUB_WORKSPACE"'


def script(commands: list[str]) -> str:
    return commands[0] if len(commands) == 1 else "".join(f"{it}\n" for it in commands)


def python(version: str) -> dict[str, Any]:
    return {"uses": "actions/setup-python", "with": {"python-version": version}}


def packages(names: str) -> dict[str, Any]:
    """Of Ubuntu, whose keys the machine has: no script of somebody else."""
    install = "sudo apt-get install --yes --quiet --no-install-recommends"
    return {"run": f"sudo apt-get update --quiet\n{install} {names}\n"}


READ, REPORT = {"contents": "read"}, {"contents": "read", "security-events": "write"}
SIGN = {"contents": "read", "id-token": "write"}
RIGHTS = {"scanning": REPORT, "images": SIGN}
EVENTS = {"push": None, "pull_request": None}  # of every branch, with every file
WEEKLY = {"schedule": [{"cron": "23 4 * * 1"}]}
OWN = "github.event_name != 'pull_request' || github.event.pull_request.head.repo.full_name =="
AUDIT: list[dict[str, Any]] = []
for _target in AUDITS:
    AUDIT += [packages("gitleaks")] if _target == "secrets" else []
    AUDIT.append({"run": f"make {_target}"})
JOBS: dict[str, Any] = {
    "check": {
        "container": {"image": "${{ matrix.image }}"},
        "timeout-minutes": 30,
        "permissions": READ,
        "strategy": {"fail-fast": False},
        "steps": [
            {"run": script([*INSTALL, OURS])},
            BEFORE,
            *([{"run": script(START)}] if START else []),
            *({"run": command} for command in (AUDITORS, "make check")),
            SUMMARY,
        ],
    },
    "audit": {
        "timeout-minutes": 15,
        "permissions": READ,
        "steps": [WHOLE, python("3.13"), *AUDIT, KEEP],
    },
    "scanning": {
        "if": f"{OWN} github.repository",  # a fork may not upload
        "timeout-minutes": 15,
        "permissions": REPORT,
        "steps": [CHECKOUT, python("3.13"), {"run": "make sarif"}, SHOW],
    },
    "images": {
        "timeout-minutes": 60,
        "environment": "release",  # its rules say who must agree
        "permissions": SIGN,
        "steps": [CHECKOUT, SIGNER, packages("binfmt-support qemu-user-static"), PUBLISH],
    },
}
WORKFLOWS = {
    "ci.yml": (EVENTS, {"check"}),
    "security.yml": (EVENTS | WEEKLY, {"audit", "scanning"}),
}
if CONTAINER:  # a tag alone: a pull request must not get the password of the registry
    WORKFLOWS["release.yml"] = ({"push": {"tags": ["v*"]}}, {"images"})


def load(path: Path) -> dict[Any, Any]:
    content = yaml.safe_load(path.read_text())
    return {"on" if key is True else key: value for key, value in content.items()}  # YAML 1.1


@asvs("15.2.1")
def test_each_workflow_is_in_the_table() -> None:
    found = {path.name for path in FOLDER.iterdir()}
    assert found == WORKFLOWS.keys(), "add it to WORKFLOWS, and its jobs with all they do to JOBS"


@asvs("15.1.2", "15.2.1")
@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_runs_its_targets_and_nothing_else(name: str) -> None:
    workflow = load(FOLDER / name)
    events, jobs = WORKFLOWS[name]
    cancel = name != "release.yml"  # half of one would be images without a signature
    group = {"group": "${{ github.workflow }}-${{ github.ref }}", "cancel-in-progress": cancel}
    assert workflow.keys() == {"name", "on", "permissions", "concurrency", "jobs"}  # no env
    assert workflow["on"] == events
    assert workflow["concurrency"] == group
    assert workflow["jobs"].keys() == jobs
    for job, does in workflow["jobs"].items():
        for step in does["steps"]:
            del step["name"]
            step |= {"uses": step["uses"].partition("@")[0]} if "uses" in step else {}
        del does["name"]
        assert does.pop("runs-on") == "ubuntu-24.04"
        if job == "check":
            for version in (matrix := does["strategy"].pop("matrix")).pop("include"):
                assert version.keys() == {"python", "image"}
                assert version["image"].startswith(f"python:{version['python']}-")
                assert re.fullmatch(IMAGE, version["image"])
            assert matrix == {}
        assert does == JOBS[job]


@pytest.mark.parametrize("path", sorted(FOLDER.iterdir()), ids=lambda path: path.name)
def test_every_workflow_may_only_read_and_takes_nothing_by_a_tag(path: Path) -> None:
    """A tag can be moved to other code; a pull request's code must not run with our rights."""
    workflow, text = load(path), path.read_text()
    assert workflow["on"].keys() <= {"push", "pull_request", "schedule"}
    assert workflow["permissions"] == {}
    for name, job in workflow["jobs"].items():
        assert job["permissions"] == RIGHTS.get(name, READ)
        for action in (step for step in [job, *job["steps"]] if "uses" in step):
            pinned = re.escape(action["uses"]) + r" # v\d+\.\d+\.\d+\n"
            assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action["uses"])
            assert re.search(pinned, text), "the comment says the version"
            if "/checkout@" in action["uses"]:
                assert action["with"]["persist-credentials"] is False
    # A value of the event that an outsider chooses, put into a script, is a command of theirs, and so
    # is a script from elsewhere.
    assert not re.search(r"run:[^\n]*\$\{\{|\b(curl|wget)\b|\|\| *(true|:)", text)
