"""Roles of the database: whoever takes over the service changes tables or reads other databases.

MySQL and MariaDB: what an administrator does, once. The SQL is in ``migrations/``. The app's role
reads and writes rows, nothing else.
"""

from __future__ import annotations

import hashlib
import re
from contextlib import closing
from pathlib import Path

import pymysql
from sqlalchemy import URL

from app.database.dialect import connect_arguments, is_local

SQL = Path(__file__).parents[2] / "migrations"
VERSION = "alembic_version"  # the table with the version of the schema


def create(admin: URL, app: URL, migrator: URL, *, development: bool) -> None:
    """Make the two users and the database; what is there already is kept, with these passwords.

    :param development: let the migrator make databases, for the tests.
    :raises ValueError: when a user has no password or administers the server. Nothing was changed.
    """
    with connected(admin) as connection:
        for url in (app, migrator):
            _refuse_powerful(connection, url, _account(connection, app, url))
        run(connection, read("database.sql"), app, migrator)
        granted = [_pattern(app.database)]
        if development:
            granted.append(_pattern(f"{app.database}_test_", "%"))
        for pattern in granted:
            run(connection, read("users.sql"), app, migrator, pattern)


def grant_tables(app: URL, migrator: URL) -> None:
    """Let the app's user write every table but the schema's version, which it only reads.

    Whoever takes over the service could otherwise make every instance unready. MySQL and MariaDB
    cannot take a table out of the rights on its database, so they are given table by table.
    """
    if app.username != migrator.username:
        with connected(migrator) as connection:
            for table in tables(connection, app.database):
                if not table.endswith(f".{_identifier(VERSION)}"):
                    run(connection, read("tables.sql"), app, migrator, table)


def tables(connection: pymysql.Connection, database: str | None) -> list[str]:
    """The tables, each with its database, in quotes."""
    cursor = connection.cursor()
    cursor.execute(
        "SELECT table_name FROM information_schema.tables"
        " WHERE table_schema = %s AND table_type = 'BASE TABLE'",
        [database],
    )
    return [f"{_identifier(database)}.{_identifier(name)}" for (name,) in cursor.fetchall()]


def connected(url: URL) -> closing[pymysql.Connection]:
    """A connection to the server of ``url`` without a database: it may have to be made."""
    return closing(pymysql.connect(**connect_arguments(url) | {"database": None}))


def run(
    connection: pymysql.Connection, text: str, app: URL, migrator: URL, granted: str = ""
) -> None:
    """Run statements of ours, with names and passwords in quotes."""
    values = {
        "database": _identifier(app.database),
        "granted": granted,
        "tls": "NONE" if is_local(app) else "SSL",
    }
    for role, url in (("app", app), ("migrator", migrator)):
        values[role] = _account(connection, app, url)
        values[f"{role}_password"] = _password(connection, str(url.password))
    for statement in text.split(";\n"):
        if statement.strip():
            connection.cursor().execute(statement.format(**values))


def read(file: str) -> str:
    return (SQL / file).read_text(encoding="utf-8")


def _account(connection: pymysql.Connection, app: URL, url: URL) -> str:
    host = "localhost" if "unix_socket" in app.query else "%"
    return f"{connection.escape(url.username)}@{connection.escape(host)}"


def _refuse_powerful(connection: pymysql.Connection, url: URL, account: str) -> None:
    """A user without a password is everybody's; the administrator's would be changed."""
    if not url.password:
        raise ValueError(f"the user {url.username} has no password in its URL")
    cursor = connection.cursor()
    cursor.execute(
        "SELECT COUNT(*) FROM information_schema.user_privileges"
        " WHERE grantee = %s AND privilege_type <> 'USAGE'",
        [account],
    )
    if cursor.fetchone() != (0,):
        raise ValueError(f"the user {url.username} administers the server; name one of the service")


def _password(connection: pymysql.Connection, password: str) -> str:
    """What follows IDENTIFIED BY: MySQL blanks it in its logs, MariaDB does not."""
    if "MariaDB" not in connection.get_server_info():
        return str(connection.escape(password))
    # The hash that MariaDB stores, of its default plugin mysql_native_password.
    once = hashlib.sha1(password.encode(), usedforsecurity=False).digest()
    return f"PASSWORD '*{hashlib.sha1(once, usedforsecurity=False).hexdigest().upper()}'"


def _identifier(name: str | None) -> str:
    return "`" + str(name).replace("`", "``") + "`"


def _pattern(name: str | None, suffix: str = "") -> str:
    """The database in a GRANT, where _ and % would stand for any letter: rights on others' data."""
    escaped = re.sub(r"([\\_%])", r"\\\1", str(name))
    return _identifier(f"{escaped}{suffix}")
