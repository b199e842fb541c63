"""A service with its packages, for the tests of ``make resource`` and ``make remove-example``."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

from tests.live.conftest import install_packages
from tests.template import commit, environment, git, render, run

ALL_KINDS = "name:text due_date:date body:rich amount:number done:flag city:text"
WORD = re.compile(r"(?<![a-z])notes?(?![a-z])", re.IGNORECASE)
# Files that may contain the word "note": texts of other authors, and hashes.
OTHERS = ("corpus/", ".lock", "package-lock.json")
TIMEOUT = 300  # seconds for a command, on a slow machine


def committed(output: Path, auth: str) -> Path:
    """A service with its packages, rendered and committed."""
    folder = render(output, auth=auth)
    install_packages(folder, f"service-{auth}")
    git(folder, "init", "--quiet")
    commit(folder, "rendered")
    return folder


def make(
    service: Path, *words: str, timeout: int = TIMEOUT, **more: str
) -> subprocess.CompletedProcess[str]:
    values = environment(service.parent, GIT_CONFIG_NOSYSTEM="1") | more
    command = ("make", "--no-print-directory", *words)
    return run(*command, cwd=service, env=values, timeout=timeout)


def python(service: Path, *words: str) -> str:
    """Run a module with the service's Python; return its output. It must succeed."""
    values = environment(service.parent, ATTACKS="sample")
    command = (".venv/bin/python", "-m", *words)
    result = run(*command, cwd=service, env=values, timeout=TIMEOUT)
    assert result.returncode == 0, result.stdout[-5000:]
    return result.stdout


def practices(service: Path, python: Path) -> list[dict[str, Any]]:
    """The practices that `make practices` lists; ``python`` has the packages of the service."""
    said = run(python, "-m", "tests.traceability", "--json", cwd=service)
    return json.loads(said.stdout)["practices"]  # type: ignore[no-any-return]


def lint(service: Path) -> None:
    python(service, "ruff", "check", "--quiet")
    python(service, "ruff", "format", "--check", "--quiet")


def words(service: Path, *left_out: str) -> list[str]:
    """All lines with the word "note" in files that git tracks or would add, except ``left_out``."""
    listed = git(service, "ls-files", "--cached", "--others", "--exclude-standard").splitlines()
    found = []
    for name in listed:
        path = service / name
        if path.is_file() and not any(part in name for part in (*OTHERS, *left_out)):
            lines = [name, *path.read_text("utf-8").splitlines()]
            found += [f"{name}: {line}" for line in lines if WORD.search(line)]
    return found


def state(service: Path) -> dict[str, bytes]:
    """The bytes of all files that git tracks or would add, and the output of git status."""
    listed = git(service, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    paths = [service / name for name in listed.split("\0") if name]
    files = {str(path): path.read_bytes() for path in paths if path.is_file()}
    folders = "\n".join(sorted(str(it) for it in (service / "app").rglob("*") if it.is_dir()))
    seen = re.sub(r"\S*__pycache__\S*\n?", "", folders + "\n")
    return files | {"": git(service, "status", "--porcelain").encode(), "app": seen.encode()}
