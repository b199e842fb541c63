"""Roles of the database: an attacker in the service changes tables or reads other databases.

PostgreSQL: what an administrator does once. The SQL is in ``migrations/``. The app's role may read
and write rows, and nothing else; that of the mail process only those of the outbox.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from psycopg import Connection as ServerConnection
from psycopg import connect, errors, sql
from sqlalchemy import URL

from app.database.dialect import connect_arguments
from app.database.roles import Roles

SQL = Path(__file__).parents[2] / "migrations"
DATABASE = "CREATE DATABASE {database} OWNER {migrator} ENCODING 'UTF8' TEMPLATE template0"
# The tests make databases, and end the connections to them.
DEVELOPMENT = """ALTER ROLE {migrator} CREATEDB;
GRANT {app} TO {migrator};
GRANT {mail} TO {migrator}"""
OLDEST = 15  # before it, everybody may make tables in the schema public


def create(admin: URL, roles: Roles, *, development: bool) -> None:
    """Create the roles and the database. Existing ones are kept, with these passwords.

    :param development: let the migrator create and drop databases, for the tests.
    :raises ValueError: when a name is not the service's. Nothing was changed.
    """
    with connected(admin) as connection:
        is_made = _is_made(connection, roles)
        with connection.transaction():
            _make_roles(connection, roles)
            if development:
                run(connection, DEVELOPMENT, roles)
            if connection.info.parameter_status("is_superuser") != "on":
                # To create a database for an owner, one must be a member of that role.
                run(connection, "GRANT {migrator} TO CURRENT_USER", roles)
        if not is_made:
            run(connection, DATABASE, roles)


def grant(roles: Roles) -> None:
    """Give the roles their rights in the database, as the migrator.

    :raises ValueError: when the server is too old to keep the app's role from making tables.
    """
    with connected(roles.migrator) as connection:
        grant_schema(connection, roles)


def grant_schema(connection: ServerConnection[Any], roles: Roles) -> None:
    """Give the roles their rights in the schema ``public`` that is there now."""
    version = connection.info.server_version // 10_000
    if version < OLDEST:
        raise ValueError(f"this server has version {version}; {OLDEST} or newer is needed")
    run(connection, _read("privileges.sql"), roles)
    grant_tables(connection, roles)


def grant_tables(connection: ServerConnection[Any], roles: Roles) -> None:
    """Give the roles their rights on single tables; the rest is in the privileges of the schema.

    The app's role only reads the schema's version and the time of the newest backup: it could stop
    every upgrade, or hide that there is no backup. That of the mail process gets the outbox. Call
    it when a table may be new, after a migration or a restore: the app may write every new table,
    the mail process reads none.
    """
    files = {"alembic_version": "version.sql", "backups": "backups.sql", "outbox": "outbox.sql"}
    if roles.app.username != roles.migrator.username:
        for table, file in files.items():
            if has_table(connection, table):
                run(connection, _read(file), roles)


def has_table(connection: ServerConnection[Any], name: str) -> bool:
    """Whether a migration has made the table."""
    found = connection.execute("SELECT to_regclass(%s) IS NOT NULL", [name]).fetchone()
    return bool(found and found[0])


def connected(url: URL) -> ServerConnection[Any]:
    """A connection outside the pool; it commits each statement by itself."""
    arguments = {"connect_timeout": 5} | connect_arguments(url)
    return connect(**arguments, autocommit=True)


def run(connection: ServerConnection[Any], text: str, roles: Roles, **more: sql.Composable) -> None:
    """Run our statements; psycopg quotes the names."""
    names = {name: sql.Identifier(url.username or "") for name, url in roles.named.items()}
    names["database"] = sql.Identifier(roles.app.database or "")
    if wanted := roles.statements(text).strip():
        connection.execute(sql.SQL(wanted).format(**names, **more))


def _is_made(connection: ServerConnection[Any], roles: Roles) -> bool:
    """Whether the database exists.

    :raises ValueError: when it or a role is not the service's.
    """
    query = """SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)
        AND (rolsuper OR rolreplication OR rolbypassrls OR rolname = CURRENT_USER)"""
    for (name,) in connection.execute(query, [[url.username for url in roles.named.values()]]):
        raise ValueError(f"the role {name} administers the server; name a role of the service")
    query = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = %s"
    database, migrator = roles.app.database, roles.migrator.username
    for (owner,) in connection.execute(query, [database]):
        if owner != migrator:
            raise ValueError(f"the database {database} is of {owner}, not {migrator}")
        return True
    return False


def _make_roles(connection: ServerConnection[Any], roles: Roles) -> None:
    passwords = {
        f"{name}_password": _verifier(connection, url) for name, url in roles.named.items()
    }
    for statement in _read("roles.sql").split(";\n"):
        with suppress(errors.DuplicateObject), connection.transaction():
            run(connection, statement, roles, **passwords)


def _read(file: str) -> str:
    return (SQL / file).read_text(encoding="utf-8")


def _verifier(connection: ServerConnection[Any], url: URL) -> sql.Literal:
    """What the server compares the password with: a statement with a password may be logged."""
    if not url.password:
        return sql.Literal(None)
    password, role = url.password.encode(), str(url.username).encode()
    return sql.Literal(
        connection.pgconn.encrypt_password(password, role, b"scram-sha-256").decode()
    )
