"""Constants of the template for the tests, and functions that start programs."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.client import HTTPConnection
from itertools import product
from pathlib import Path
from typing import Any

import yaml
from cookiecutter.main import cookiecutter

ROOT = Path(__file__).resolve().parent.parent
SERVICE = ROOT / "<<cookiecutter.project_slug>>"
OPTIONS = SERVICE / "_options"
QUESTIONS: dict[str, Any] = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))
AXES: dict[str, list[str]] = QUESTIONS["_choices"]
COMBINATIONS = [dict(zip(AXES, choices, strict=True)) for choices in product(*AXES.values())]
# Nine combinations: each choice of one axis occurs once with each choice of another axis.
PAIRWISE = [it for it in COMBINATIONS if sum(AXES[axis].index(it[axis]) for axis in AXES) % 3 == 0]
# The longest valid answers; free text uses a letter that takes two columns.
LONGEST = {
    "project_name": "界" * 40,
    "project_slug": "a" * 40,
    "description": "界" * 120,
    "author_name": "界" * 60,
    "author_email": "a" * 57 + "@example.test",
    "domain_name": ".".join(["a" * 63] * 3 + ["b" * 61]),
}
# Folders that tools write into a checkout. They are not part of the template.
LITTER = ("__pycache__", ".hypothesis", ".mypy_cache", ".pytest_cache", ".ruff_cache")

# Processes that run the tests of one service: two, since tests often wait for a process or a clock.
SERVICE_JOBS = os.environ.get("SERVICE_JOBS", "2")
TIMEOUT = 2400  # seconds for an installation and the whole suite on a slow machine
CHECKED: list[Path] = []  # the services that passed all checks in this process


def render(output: Path, **answers: str) -> Path:
    """Render into ``output`` without questions and without the caller's configuration."""
    return Path(
        cookiecutter(
            str(ROOT),
            no_input=True,
            default_config=True,
            extra_context=answers,
            output_dir=str(output),
        )
    )


def copied(place: Path) -> Path:
    """Copy the template to ``place``, like a new clone."""
    ignored = shutil.ignore_patterns(".git", ".venv", "build", *LITTER)
    return Path(shutil.copytree(ROOT, place, ignore=ignored))


def environment(home: Path, **values: str) -> dict[str, str]:
    """The environment of a new user: a separate home, no variables of this make or this pytest."""
    inherited = ("LANG", "LC_ALL", "TMPDIR", "SSL_CERT_DIR", "SSL_CERT_FILE", "TERM")
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in inherited or name.startswith(("PIP_", "PYENV_", "UV_"))
    }
    # A new user has no caches. Keep only the downloads of pip and uv: their hashes are checked.
    for name in ("pip", "uv"):
        kept.setdefault(f"{name.upper()}_CACHE_DIR", str(Path("~/.cache", name).expanduser()))
    return kept | {"HOME": str(home), "PATH": os.environ["PATH"]} | values


def with_uv(folder: Path, values: dict[str, str]) -> dict[str, str]:
    """Add uv to the environment: it installs a service in a quarter of the time that pip takes."""
    folder.mkdir()
    (folder / "uv").symlink_to(Path(sys.executable).with_name("uv"))
    return values | {"PATH": f"{folder}:{values['PATH']}"}


def run(*command: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a program without a terminal; its output, errors included, is in ``stdout``."""
    defaults = {"stdin": subprocess.DEVNULL} if "input" not in options else {}
    return subprocess.run(
        command,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        **{"timeout": 120} | defaults | options,
    )


def git(folder: Path, *arguments: str | Path) -> str:
    """Run git with a test identity and without user configuration; return its output."""
    who = ("-c", "user.name=Tester", "-c", "user.email=tester@example.test")
    values = environment(folder.parent, GIT_CONFIG_NOSYSTEM="1")
    result = run("git", *who, *arguments, cwd=folder, env=values)
    assert result.returncode == 0, result.stdout
    return result.stdout


def commit(folder: Path, message: str) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)


@contextmanager
def serving(command: str, folder: Path, values: dict[str, str], log: Path) -> Iterator[str]:
    """Run a make command that serves on a free port; yield its host and port."""
    (port,) = free_ports(1)
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            ["make", command, f"PORT={port}"],
            cwd=folder,
            env=values,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + TIMEOUT
        while f"Serving http://127.0.0.1:{port}" not in log.read_text(encoding="utf-8") or not up(
            port
        ):
            assert process.poll() is None, log.read_text(encoding="utf-8")
            assert time.monotonic() < deadline, log.read_text(encoding="utf-8")
            time.sleep(0.1)
        yield f"127.0.0.1:{port}"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(10)


def gitlab(folder: Path, job: str) -> list[str]:
    """Return the one command of a job in docs/gitlab-ci.yml of a service."""
    jobs = yaml.safe_load((folder / "docs/gitlab-ci.yml").read_text(encoding="utf-8"))
    (command,) = jobs[job]["script"]
    return shlex.split(command)


def pass_checks(
    folder: Path,
    values: dict[str, str],
    *,
    all_attacks: bool = True,
    only: Iterable[str] = (),
) -> None:
    """Run `make check` of a service: all checks of its CI, as the snippet for GitLab calls them.

    The service gets the mypy cache of the service before, so that mypy reads the same packages
    only once. Mypy checks the hash of each file and its options before it uses the cache.

    :param all_attacks: False if the checks of another service send all attacks to the same code.
    :param only: the files of tests to run; empty for all.
    """
    command = [
        *gitlab(folder, "check"),
        f"JOBS={SERVICE_JOBS}",
        f"ARGS={' '.join(only)}",
    ]
    attacks = {} if all_attacks else {"ATTACKS": "sample"}
    if CHECKED:
        known, own = (it / ".mypy_cache" for it in (CHECKED[-1], folder))
        shutil.copytree(known, own, dirs_exist_ok=True)
    result = run(*command, cwd=folder, env=values | attacks, timeout=TIMEOUT)
    assert result.returncode == 0, result.stdout[-20_000:]
    CHECKED.append(folder)
    print(result.stdout[-2_000:])
    assert re.search(r"\d+ passed", result.stdout)


def free_ports(number: int) -> list[int]:
    """Return free ports of 127.0.0.1."""
    with ExitStack() as stack:
        sockets = [
            stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(number)
        ]
        return [listener.getsockname()[1] for listener in sockets]


def up(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def get(address: str, path: str) -> tuple[int, str]:
    connection = HTTPConnection(address, timeout=60)  # a busy machine answers, but late
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def files(folder: Path) -> list[Path]:
    """All files below ``folder``, except caches and files of tools and git."""
    skipped = {*LITTER, ".git", ".venv"}
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not skipped & set(path.relative_to(folder).parts)
    )


def targets(makefile: Path) -> set[str]:
    """The names of the commands in a Makefile."""
    return set(re.findall(r"^([a-z-]+):(?!=)", makefile.read_text(encoding="utf-8"), re.MULTILINE))
