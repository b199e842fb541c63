"""Roles of the database: an attacker in the service changes tables or reads other databases.

MySQL and MariaDB: what an administrator does once. The SQL is in ``migrations/``. The app's user
may read and write rows, and nothing else; that of the mail process only those of the outbox.
"""

from __future__ import annotations

import hashlib
import re
from contextlib import closing
from pathlib import Path

import pymysql
from sqlalchemy import URL

from app.database.dialect import connect_arguments, is_local
from app.database.roles import Roles

SQL = Path(__file__).parents[2] / "migrations"
# The version of the schema, and the time of the newest backup.
ONLY_READ = ("alembic_version", "backups")
OUTBOX = "outbox"  # the table of the mails


def create(admin: URL, roles: Roles, *, development: bool) -> None:
    """Create the users and the database. Existing ones are kept, with these passwords.

    :param development: let the migrator create databases, for the tests.
    :raises ValueError: when a user has no password or administers the server. Nothing was changed.
    """
    with connected(admin) as connection:
        for url in roles.named.values():
            _refuse_powerful(connection, url, _account(connection, roles.app, url))
        run(connection, read("database.sql"), roles)
        granted = [_pattern(roles.app.database)]
        if development:
            granted.append(_pattern(f"{roles.app.database}_test_", "%"))
        for pattern in granted:
            run(connection, read("users.sql"), roles, pattern)


def grant_tables(roles: Roles) -> None:
    """Let the app's user write every table except those that it only reads.

    Otherwise an attacker in the service could make every instance unready, or hide that there is no
    backup. MySQL and MariaDB cannot exclude a table from rights on its database, so rights are
    granted table by table. The user of the mail process gets the outbox, and no other table.
    """
    only_read = tuple(f".{_identifier(name)}" for name in ONLY_READ)
    if roles.app.username != roles.migrator.username:
        with connected(roles.migrator) as connection:
            for table in tables(connection, roles.app.database):
                if not table.endswith(only_read):
                    run(connection, read("tables.sql"), roles, table)
                if table.endswith(f".{_identifier(OUTBOX)}"):
                    run(connection, read("outbox.sql"), roles, table)


def tables(connection: pymysql.Connection, database: str | None) -> list[str]:
    """The tables, quoted, each with its database."""
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


def run(connection: pymysql.Connection, text: str, roles: Roles, granted: str = "") -> None:
    """Run our statements, with quoted names and passwords."""
    values = {
        "database": _identifier(roles.app.database),
        "granted": granted,
        "tls": "NONE" if is_local(roles.app) else "SSL",
    }
    for name, url in roles.named.items():
        values[name] = _account(connection, roles.app, url)
        values[f"{name}_password"] = _password(connection, str(url.password))
    for statement in roles.statements(text).split(";\n"):
        if statement.strip():
            connection.cursor().execute(statement.format(**values))


def read(file: str) -> str:
    return (SQL / file).read_text(encoding="utf-8")


def _account(connection: pymysql.Connection, app: URL, url: URL) -> str:
    host = "localhost" if "unix_socket" in app.query else "%"
    return f"{connection.escape(url.username)}@{connection.escape(host)}"


def _refuse_powerful(connection: pymysql.Connection, url: URL, account: str) -> None:
    """Refuse a user without a password, and an administrator, whose password would change."""
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
    """The database in a GRANT, where _ and % are wildcards: they would include other databases."""
    escaped = re.sub(r"([\\_%])", r"\\\1", str(name))
    return _identifier(f"{escaped}{suffix}")
