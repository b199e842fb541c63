"""The container for development, and GitLab's jobs: they have what the commands of this service use."""

from __future__ import annotations

import json
import re
from pathlib import Path

import yaml

from app.database import dialect

FOLDER = Path(".devcontainer")
PINNED = r"python:3\.\d+-slim-\w+@sha256:[0-9a-f]{64}"
SERVER = {"SQLite": "", "PostgreSQL": "postgresql", "MySQL": "mariadb"}[dialect.NAME]
# What GitHub's jobs install and what README.md names; make and git are on GitHub's machines.
PACKAGES = {"git", "make", "gitleaks", "nginx-light", "openssl", "prometheus", "redis-server"}


def test_the_container_has_what_the_commands_use() -> None:
    text = (FOLDER / "Dockerfile").read_text("utf-8")
    assert re.findall(r"^FROM (.*)", text, re.MULTILINE) == re.findall(PINNED, text)
    assert len(re.findall(PINNED, text)) == 1
    installed = set(" ".join(re.findall(r"--no-install-recommends([^&]+)&&", text)).split())
    workflow = Path(".github/workflows/ci.yml").read_text("utf-8")
    (servers,) = re.findall(r"--no-install-recommends (.+)", workflow)
    assert set(servers.split()) <= PACKAGES <= installed
    assert ({"nodejs", "npm"} <= installed) == Path("tests/provider").exists()
    assert (f"service {SERVER} start;" in text) == bool(SERVER)


def test_a_developer_in_the_container_is_not_root() -> None:
    """A package of npm or PyPI that turns malicious gets no right over the host or its Docker."""
    settings = json.loads((FOLDER / "devcontainer.json").read_text("utf-8"))
    assert settings == {
        "name": "<< cookiecutter.project_slug >>",
        "build": {"dockerfile": "Dockerfile"},
        "overrideCommand": False,  # the image's own command starts the server, as root
        "init": True,
        "securityOpt": ["no-new-privileges:true"],
        "remoteUser": "developer",
        "forwardPorts": [5000],
        "postCreateCommand": "make setup",
    }
    assert "useradd --create-home --shell /bin/bash developer" in (
        (FOLDER / "Dockerfile").read_text("utf-8")
    )


def test_gitlab_runs_the_same_gates() -> None:
    jobs = yaml.safe_load(Path("docs/gitlab-ci.yml").read_text("utf-8"))
    assert jobs.keys() == {"workflow", "default", "check", "audit"}
    assert re.fullmatch(PINNED, jobs["default"]["image"])
    install, *start = jobs["default"]["before_script"]
    assert set(install.split("--no-install-recommends ")[1].split()) >= PACKAGES
    assert any(f"service {SERVER} start" in line for line in start) == bool(SERVER)
    targets = re.findall(r"^([a-z-]+):(?!=)", Path("Makefile").read_text("utf-8"), re.MULTILINE)
    for name in ("check", "audit"):
        # No "allow_failure", no rule: nothing lets a job fail or leaves it out.
        assert jobs[name].keys() <= {"script", "artifacts", "variables"}
        assert jobs[name]["script"] == [f"make {name}"]
        assert name in targets
    assert jobs["audit"]["variables"] == {"GIT_DEPTH": 0}  # a removed secret is in an old commit
