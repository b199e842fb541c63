"""PostgreSQL: backup and restore, with the database's own tools."""

from __future__ import annotations

import os
import re
import shutil
import subprocess  # PostgreSQL's own tools, without a shell # nosec B404
from pathlib import Path

from psycopg import Error
from psycopg.conninfo import make_conninfo
from sqlalchemy import URL

from app.database.dialect import connect_arguments
from app.database.provisioning import connected, grant_schema, grant_tables
from app.database.roles import Roles

# What the functions here raise.
Failed = (Error, OSError, ValueError, subprocess.CalledProcessError)
SUFFIX = ".dump"  # of a backup
INTERRUPTED = """a restore was interrupted; the previous data is in the schema before_restore.
Run DROP SCHEMA before_restore CASCADE when you do not need it; the restore wrote a backup first."""


def backup(url: URL, target: Path) -> None:
    """Write the database into ``target``, as of one moment, while the service runs."""
    _tool(url, "pg_dump", "--format=custom", f"--file={target}")


def verify(url: URL, source: Path) -> None:
    """Read all of a backup.

    :raises subprocess.CalledProcessError: when it is damaged.
    """
    _tool(url, "pg_restore", f"--file={os.devnull}", f"{source.absolute()}")


def restore(roles: Roles, source: Path) -> None:
    """Replace all tables with those of ``source``, or change nothing."""
    migrator = roles.migrator
    verify(migrator, source)
    with connected(migrator) as connection:
        if connection.execute("SELECT FROM pg_namespace WHERE nspname = 'before_restore'").rowcount:
            raise ValueError(INTERRUPTED)
        with connection.transaction():
            connection.execute("ALTER SCHEMA public RENAME TO before_restore")
            connection.execute("CREATE SCHEMA public AUTHORIZATION pg_database_owner")
            grant_schema(connection, roles)
        try:
            _tool(
                *(migrator, "pg_restore", "--no-owner", "--no-privileges", "--exit-on-error"),
                *("--single-transaction", f"--dbname={make_conninfo(dbname=migrator.database)}"),
                f"{source.absolute()}",
            )
        except BaseException:
            with connection.transaction():
                connection.execute("DROP SCHEMA public CASCADE")
                connection.execute("ALTER SCHEMA before_restore RENAME TO public")
            raise
        connection.execute("DROP SCHEMA before_restore CASCADE")
        grant_tables(connection, roles)


def _tool(url: URL, program: str, *arguments: str) -> None:
    path = shutil.which(program)
    if path is None:
        raise FileNotFoundError(f"{program} is not installed (Debian: postgresql-client)")
    # Every user of the machine sees a command line, so the password is in the environment, which
    # holds PATH and the options of libpq only.
    options = connect_arguments(url).items()
    given = {f"PG{name.upper().replace('_', '')}": str(value) for name, value in options}
    environment = {"PATH": os.defpath, **given, "PGDATABASE": str(url.database)}

    def call(*words: str) -> str:
        return subprocess.run(  # our own words and the operator's paths # nosec B603 # noqa: S603
            [path, *words], env=environment, check=True, stdin=subprocess.DEVNULL,
            capture_output=True, text=True,
        ).stdout  # fmt: skip

    _check_version(url, program, call("--version"))
    call(*arguments)


def _check_version(url: URL, program: str, said: str) -> None:
    """A backup must be restorable: version 17 of the tool writes what version 15 cannot read."""
    found = re.search(r"\(PostgreSQL\) (\d+)", said)
    tool = found.group(1) if found else said.strip()
    with connected(url) as connection:
        server = str(connection.info.server_version // 10_000)
    if tool != server:
        raise ValueError(
            f"{program} is of version {tool}, the server of {server}, so that a backup could not be"
            f" restored; nothing was changed. Install postgresql-client-{server}"
        )
