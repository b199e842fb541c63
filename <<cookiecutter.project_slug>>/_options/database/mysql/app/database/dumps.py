"""MySQL and MariaDB: backup and restore, with the database's own tools."""

from __future__ import annotations

import os
import re
import shutil
import ssl
import subprocess  # MySQL's own tools, without a shell # nosec B404
import tempfile
from pathlib import Path
from typing import IO

from pymysql import Error as PyMySQLError
from sqlalchemy import URL, MetaData, Table, create_engine, inspect
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import DropTable

from app.database.dialect import engine_options, is_local, option
from app.database.provisioning import grant_tables
from app.database.roles import Roles

# What the functions here raise.
Failed = (PyMySQLError, SQLAlchemyError, OSError, ValueError, subprocess.CalledProcessError)
SUFFIX = ".sql"  # of a backup
BEGINNING = re.compile(rb"(/\*M?!.*\n)?-- (MySQL|MariaDB) dump ")
END = re.compile(rb"\n-- Dump completed[^\n]*\n*\Z")


def backup(url: URL, target: Path) -> None:
    """Write the database into ``target``, as of one moment, while the service runs."""
    options = ["--single-transaction", "--skip-lock-tables", "--no-tablespaces", "--hex-blob"]
    with target.open("wb") as output:
        _tool(url, ("mariadb-dump", "mysqldump"), *options, stdout=output)


def verify(url: URL, source: Path) -> None:
    """Look at both ends of a backup.

    :raises ValueError: when it is incomplete.
    """
    with source.open("rb") as data:
        beginning = data.read(200)
        data.seek(-min(200, source.stat().st_size), os.SEEK_END)
        if not BEGINNING.match(beginning) or not END.search(data.read()):
            raise ValueError(f"{source} is no complete backup; nothing was changed")


def restore(roles: Roles, saved: Path, source: Path) -> None:
    """Replace all tables with those of ``source``, or with those of ``saved`` when that fails.

    :param saved: a backup of the present tables. MySQL cannot roll back a change of its tables.
    """
    verify(roles.migrator, source)
    try:
        _load(roles.migrator, source)
    except BaseException:
        _load(roles.migrator, saved)
        raise
    grant_tables(roles)


def _load(url: URL, source: Path) -> None:
    """Drop every table and run the file."""
    text = url.render_as_string(hide_password=False)
    engine = create_engine(**engine_options(text, timeouts=False))
    try:
        with engine.begin() as connection:
            # In any order, and where a load that failed left out what others refer to.
            connection.exec_driver_sql("SET SESSION foreign_key_checks = 0")
            for name in inspect(connection).get_table_names():
                connection.execute(DropTable(Table(name, MetaData())))
    finally:
        engine.dispose()
    with source.open("rb") as data:
        # Binary mode: the client runs SQL alone, and no command of its own, such as `\! rm`.
        _tool(url, ("mariadb", "mysql"), "--binary-mode", stdin=data)


def _tool(
    url: URL,
    programs: tuple[str, str],
    *arguments: str,
    stdin: IO[bytes] | int = subprocess.DEVNULL,
    stdout: IO[bytes] | int = subprocess.DEVNULL,
) -> None:
    program = next(filter(None, map(shutil.which, programs)), None)
    if program is None:
        tools = " or ".join(programs)
        raise FileNotFoundError(f"{tools} is not installed (Debian: mariadb-client)")
    # A command line is visible to every user of the machine, so the password goes into a file.
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".cnf") as options:
        options.write(_option_file(url, mariadb="mariadb" in os.path.realpath(program)))
        options.flush()
        subprocess.run(  # our own words # nosec B603 # noqa: S603
            [program, f"--defaults-file={options.name}", *arguments, "--", str(url.database)],
            check=True, stdin=stdin, stdout=stdout, stderr=subprocess.PIPE,
            env={"PATH": os.defpath},
        )  # fmt: skip


def _option_file(url: URL, *, mariadb: bool) -> str:
    """The tools' options for ``url``: the two families spell TLS differently."""
    # Without a protocol, the tools take the name of a host for its socket, and the other way round.
    socket = option(url, "unix_socket")
    given = {"protocol": "socket" if socket else "tcp", "socket": socket}
    given |= {"user": url.username, "password": url.password, "default-character-set": "utf8mb4"}
    given |= {"host": url.host, "port": str(url.port or 3306)}
    lines = ["[client]"]
    if is_local(url) and "ssl_ca" not in url.query:
        lines += ["skip-ssl"] if mariadb else ["ssl-mode=DISABLED", "get-server-public-key"]
    else:
        lines += ["ssl-verify-server-cert"] if mariadb else ["ssl-mode=VERIFY_IDENTITY"]
        system = ssl.get_default_verify_paths()
        if authorities := option(url, "ssl_ca") or system.cafile:
            given["ssl-ca"] = authorities
        else:
            given["ssl-capath"] = system.capath
        given |= {"ssl-cert": option(url, "ssl_cert"), "ssl-key": option(url, "ssl_key")}
    escapes = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
    lines += [f'{name}="{value.translate(escapes)}"' for name, value in given.items() if value]
    if not mariadb:
        # Not every server has what MySQL's own tool asks for.
        lines += ["[mysqldump]", "set-gtid-purged=OFF", "loose-column-statistics=0"]
    return "\n".join([*lines, ""])
