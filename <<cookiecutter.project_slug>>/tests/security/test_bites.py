"""Each gate bites: a weakness that somebody plants makes its target of the Makefile fail.

The judges themselves run here, on a small project with the settings of this one. Those that
``make audit`` installs are left out until it has run once, except in CI.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests import needs
from tests.marks import asvs, practice
from tests.security.make import ROOT
from tests.security.test_gates import CONTAINER

pytestmark = practice("audits")

VENV = Path(sys.prefix)
COPIED = ["Makefile", "pyproject.toml", ".gitleaks.toml", ".github", "deploy", "Dockerfile"]
LOCKS = ["requirements.lock", "requirements-dev.lock", "requirements-audit.lock"]
# What says which known vulnerabilities are accepted for a while.
ACCEPTED = ["tests/__init__.py", "tests/accepted.py", "tests/decisions.py"]
ACCEPTED += ["docs/security-decisions.md"]
AUDITOR = {"workflows": "zizmor", "nginx": "gixy", "dockerfile": "hadolint"}
# The weakness of each gate, in which file, and what the gate says of it. The key is in two parts:
# this file has none.
PLANTED = {
    "lint": ("app/weak.py", "import os\n", "F401"),
    "types": ("app/weak.py", "def double(number):\n    return number * 2\n", "no-untyped-def"),
    "bandit": ("app/weak.py", "eval(input())\n", "B307"),
    "workflows": (
        ".github/workflows/weak.yml",
        "on: pull_request_target\njobs:\n  a:\n    runs-on: x\n    steps: [{uses: a/b@main}]\n",
        "dangerous-triggers",
    ),
    "nginx": ("deploy/nginx/proxy.conf", "proxy_set_header Host $http_host;\n", "host_spoofing"),
    **({"dockerfile": ("Dockerfile", "FROM debian:latest\n", "DL3007")} if CONTAINER else {}),
    "secrets": ("secrets.txt", "aws_key = " + "AKIA" + "Z7QLTDRW4KEYPB5N\n", "aws-access-token"),
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with the settings of this one, and without code."""
    for name in filter(lambda name: (ROOT / name).exists(), COPIED + LOCKS):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copyfile
        copy(ROOT / name, tmp_path / name)
    for folder in ("app", "migrations", "tests", "docs"):
        (tmp_path / folder).mkdir()
    for name in ACCEPTED:
        shutil.copyfile(ROOT / name, tmp_path / name)
    for file in ("app/__init__.py", "wsgi.py"):
        (tmp_path / file).touch()
    git(tmp_path, "init", "--quiet")
    return tmp_path


def git(folder: Path, *arguments: str) -> None:
    needs.program("git")
    who = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


def make(folder: Path, target: str, *, venv: Path = VENV, **environment: str) -> tuple[int, str]:
    """Exit status and output of a target. Nothing is installed."""
    command = ["make", target, f"VENV={venv}"]
    command += [f"--old-file={venv}/{name}" for name in ("installed", "audit/installed")]
    values = {"PATH": os.environ["PATH"], "HOME": str(folder), **environment}
    ended = subprocess.run(
        command, cwd=folder, env=values, text=True, timeout=300,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    return ended.returncode, ended.stdout


@pytest.mark.parametrize("target", PLANTED)
def test_each_make_target_fails_on_a_planted_weakness(project: Path, target: str) -> None:
    if target in AUDITOR:
        needs.auditor(AUDITOR[target])
    if target == "secrets":
        needs.program("gitleaks")
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message=strong")
    status, output = make(project, target)
    assert status == 0, output
    file, weakness, finding = PLANTED[target]
    with (project / file).open("a") as weak:
        weak.write(weakness)
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message=weak")
    (project / file).unlink() if target == "secrets" else None  # the history still has it
    status, output = make(project, target)
    assert (status != 0, finding in output) == (True, True), output


def test_a_missing_package_makes_its_target_fail(project: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", "own"], cwd=project, check=True)
    (packages,) = project.glob("own/lib/python*/site-packages")
    uv = next(path for path in map(Path, sys.path) if (path / "uv/__main__.py").exists())
    (packages / "uv").symlink_to(uv / "uv")
    (project / "own/bin/uv").symlink_to(VENV / "bin/uv")
    status, output = make(project, "packages", venv=project / "own")
    assert status == 0, output
    (packages / "weak-1.dist-info").mkdir()
    metadata = "Metadata-Version: 2.1\nName: weak\nVersion: 1\nRequires-Dist: no-such-package\n"
    (packages / "weak-1.dist-info/METADATA").write_text(metadata)
    status, output = make(project, "packages", venv=project / "own")
    assert (status != 0, "no-such-package" in output) == (True, True), output


@contextmanager
def vulnerabilities(*names: str) -> Iterator[str]:
    """A database in the form of https://osv.dev, in which these packages have one."""

    class Database(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            package = asked["package"]
            affected = {"package": package, "versions": [asked["version"]]}
            known = {"id": "PYSEC-0000-1", "summary": "planted", "affected": [affected]}
            found: dict[str, Any] = {"vulns": [known]} if package["name"] in names else {}
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(found).encode())

        def log_message(self, *arguments: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Database) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1/query"
        server.shutdown()
        thread.join()


@asvs("15.2.1")
def test_a_known_vulnerability_makes_its_target_fail(project: Path) -> None:
    """In each of the lock files."""
    needs.auditor("pip-audit")
    for names in ((), ("flask", "pytest", "zizmor")):
        with vulnerabilities(*names) as url:
            osv = {"PIP_AUDIT_VULNERABILITY_SERVICE": "osv", "PIP_AUDIT_OSV_URL": url}
            status, output = make(project, "vulnerabilities", **osv)
        found = {line.split()[0] for line in output.splitlines() if "PYSEC-0000-1" in line}
        assert (status != 0, found) == (bool(names), set(names)), output
