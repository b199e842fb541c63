"""The container for development, and GitLab's jobs: they have what the commands of this service use."""

from __future__ import annotations

import json
import re
from pathlib import Path

import yaml

from app.database import dialect
from tests.security.test_workflows import AUDITORS, IMAGE, INSTALL, PROGRAMS, START

FOLDER = Path(".devcontainer")
APT = "RUN apt-get update && apt-get install --yes --no-install-recommends {} "
APT += "&& rm -rf /var/lib/apt/lists/*"
USER = "RUN useradd --create-home --shell /bin/bash developer"
GRANT = "GRANT ALL ON *.* TO developer@localhost IDENTIFIED VIA unix_socket WITH GRANT OPTION"
# The server, its package, how the developer becomes its administrator, and how it starts.
SERVER = {
    "SQLite": ['CMD ["sleep", "infinity"]'],
    "PostgreSQL": [
        APT.format("postgresql"),
        "RUN service postgresql start && runuser -u postgres -- createuser --superuser developer"
        " && service postgresql stop",
        'CMD ["sh", "-c", "service postgresql start; exec sleep infinity"]',
    ],
    "MySQL": [
        APT.format("mariadb-server"),
        f'RUN service mariadb start && mariadb --execute "{GRANT}" && service mariadb stop',
        'CMD ["sh", "-c", "service mariadb start; exec sleep infinity"]',
    ],
}[dialect.NAME]
EDITING = "ca-certificates less openssh-client"
OF_SERVERS = {"postgresql", "mariadb-server"}
NODE, KUBECTL = "nodejs npm", "kubernetes-client"


def test_the_container_is_these_steps() -> None:
    """No script from elsewhere, no package that nobody has locked or signed."""
    text = (FOLDER / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
    steps = [" ".join(line.split()) for line in text.splitlines() if not line.startswith("#")]
    common = {*EDITING.split(), *PROGRAMS.split()} - OF_SERVERS
    common -= {*NODE.split(), KUBECTL}
    image = steps.pop(0).removeprefix("FROM ")
    assert re.fullmatch(IMAGE, image)
    assert steps == [
        APT.format(" ".join(sorted(common))),
        *([APT.format(KUBECTL)] if KUBECTL in PROGRAMS else []),
        *([APT.format(NODE)] if NODE in PROGRAMS else []),
        USER,
        *SERVER,
    ]
    assert image in Path(".github/workflows/ci.yml").read_text("utf-8")


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


def test_gitlab_runs_the_same_gates() -> None:
    jobs = yaml.safe_load(Path("docs/gitlab-ci.yml").read_text("utf-8"))
    assert jobs.keys() == {"workflow", "default", "check", "audit"}
    assert re.fullmatch(IMAGE, jobs["default"].pop("image"))
    commands = [*INSTALL, *START, AUDITORS]
    assert jobs["default"] == {
        "interruptible": True,
        "timeout": "45 minutes",
        "before_script": commands,
    }
    targets = re.findall(r"^([a-z-]+):(?!=)", Path("Makefile").read_text("utf-8"), re.MULTILINE)
    for name in ("check", "audit"):
        # No "allow_failure", no rule: nothing lets a job fail or leaves it out.
        assert jobs[name].keys() <= {"script", "artifacts", "variables"}
        assert jobs[name]["script"] == [f"make {name}"]
        assert name in targets
    assert jobs["audit"]["variables"] == {"GIT_DEPTH": 0}  # a removed secret is in an old commit
