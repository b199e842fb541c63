"""A real PostgreSQL with a synchronous standby: the primary is killed while users write."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.live.conftest import HERE, lacking, program, virtual_environment
from tests.template import environment, render, run

TIMEOUT = 120  # seconds
ACCOUNT = "postgres"  # PostgreSQL does not run as root
PRIMARY = """
listen_addresses = ''
unix_socket_directories = '{socket}'
fsync = off
synchronous_standby_names = '*'
"""
# After its promotion it has no standby, and must not wait for one.
STANDBY = """
unix_socket_directories = '{socket}'
synchronous_standby_names = ''
"""


@dataclass(frozen=True)
class Pair:
    """A primary and its standby: the folder of the programs, and the parent of their data."""

    programs: Path
    folder: Path

    def control(self, server: str, *words: str) -> list[str]:
        command = [str(self.programs / "pg_ctl"), "--pgdata", str(self.folder / server), *words]
        return as_postgres(*command)

    def url(self, role: str, database: str) -> str:
        """A URL with both servers; libpq selects the one that accepts writes."""
        hosts = f"{self.folder}/primary-socket,{self.folder}/standby-socket"
        options = f"host={hosts}&target_session_attrs=read-write"
        return f"postgresql+psycopg://{role}@/{database}?{options}"


def as_postgres(*command: str) -> list[str]:
    return ["runuser", "-u", ACCOUNT, "--", *command] if os.geteuid() == 0 else list(command)


def must(command: list[str]) -> None:
    """Run a command with its output in a file: a server that it starts would keep a pipe open."""
    with tempfile.TemporaryFile("w+") as output:
        status = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, timeout=TIMEOUT,
            cwd="/",
        ).returncode  # fmt: skip
        output.seek(0)
        assert status == 0, output.read()


def start(pair: Pair, server: str) -> None:
    must(pair.control(server, "--wait", f"--log={pair.folder}/{server}.log", "start"))


@pytest.fixture
def servers() -> Iterator[Pair]:
    """A primary that acknowledges a commit only after its standby has it."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        lacking("needs PostgreSQL's own programs (apt-get install postgresql)")
    # Outside of pytest's folder, which the account of the servers cannot read.
    folder = Path(tempfile.mkdtemp(prefix="failover-"))
    pair = Pair(found[-1].parent, folder)
    if os.geteuid() == 0:
        shutil.chown(folder, ACCOUNT)
    folder.chmod(0o755)
    for name in ("primary-socket", "standby-socket"):
        must(as_postgres("mkdir", str(folder / name)))
    started = []
    try:
        initdb = [str(pair.programs / "initdb"), "--no-sync", "--auth=trust", "--encoding=UTF8"]
        must(as_postgres(*initdb, "--username=postgres", f"--pgdata={folder}/primary"))
        with (folder / "primary/postgresql.conf").open("a", encoding="utf-8") as file:
            file.write(PRIMARY.format(socket=folder / "primary-socket"))
        started.append("primary")
        start(pair, "primary")
        copy = [str(pair.programs / "pg_basebackup"), f"--pgdata={folder}/standby"]
        copy += ["--write-recovery-conf", "--no-sync", "--checkpoint=fast"]
        must(as_postgres(*copy, f"--host={folder}/primary-socket", "--username=postgres"))
        with (folder / "standby/postgresql.conf").open("a", encoding="utf-8") as file:
            file.write(STANDBY.format(socket=folder / "standby-socket"))
        started.append("standby")
        start(pair, "standby")
        yield pair
    finally:
        for server in started:
            run(*pair.control(server, "--mode=immediate", "stop"), timeout=TIMEOUT, cwd="/")
        shutil.rmtree(folder)


def test_users_go_on_and_nothing_acknowledged_is_lost(servers: Pair, tmp_path: Path) -> None:
    program("redis-server")
    project = render(tmp_path, database="postgresql", auth="token", project_slug="failover")
    locks = [project / "requirements.lock", project / "requirements-dev.lock"]
    python = virtual_environment("service-postgresql-token", locks, []) / "python"
    shutil.copy(HERE / "failover.py", project / "tests/test_failover.py")
    script = tmp_path / "fail-over.sh"
    steps = (
        servers.control("primary", "--mode=immediate", "stop"),
        servers.control("standby", "--wait", "promote"),
    )
    lines = [" ".join(f"'{word}'" for word in command) for command in steps]
    script.write_text("set -e\ncd /\n" + "\n".join(lines) + "\n", encoding="utf-8")
    values = environment(
        tmp_path,
        FAIL_OVER=f"sh {script}",
        DATABASE_URL=servers.url("failover:secret", "failover"),
        MIGRATION_DATABASE_URL=servers.url("failover-migrator:secret", "failover"),
        ADMIN_DATABASE_URL=servers.url("postgres", "postgres"),
    )
    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_failover.py"]
    result = run(*command, cwd=project, env=values, timeout=300)
    assert result.returncode == 0, result.stdout[-20_000:]
