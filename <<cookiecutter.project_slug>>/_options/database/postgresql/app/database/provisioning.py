"""Roles of the database: whoever takes over the service changes tables or reads other databases.

PostgreSQL: what an administrator does, once. The SQL is in ``migrations/``. The app's role reads
and writes rows, nothing else.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from psycopg import Connection as ServerConnection
from psycopg import connect, errors, sql
from sqlalchemy import URL

from app.database.dialect import connect_arguments

SQL = Path(__file__).parents[2] / "migrations"
DATABASE = "CREATE DATABASE {database} OWNER {migrator} ENCODING 'UTF8' TEMPLATE template0"
OLDEST = 15  # before it, everybody may make tables in the schema public


def create(admin: URL, app: URL, migrator: URL, *, development: bool) -> None:
    """Make the two roles and the database; what is there already is kept, with these passwords.

    :param development: let the migrator make databases, for the tests, and drop them in use.
    :raises ValueError: when a name belongs to somebody else. Nothing was changed.
    """
    with connected(admin) as connection:
        is_made = _is_made(connection, app, migrator)
        with connection.transaction():
            _make_roles(connection, app, migrator)
            if development:
                rights = "ALTER ROLE {migrator} CREATEDB; GRANT {app} TO {migrator}"
                run(connection, rights, app, migrator)
            if connection.info.parameter_status("is_superuser") != "on":
                # Whoever names the owner of a database must belong to that role.
                run(connection, "GRANT {migrator} TO CURRENT_USER", app, migrator)
        if not is_made:
            run(connection, DATABASE, app, migrator)


def grant(app: URL, migrator: URL) -> None:
    """Give the app's role its rights in the database, as the migrator.

    :raises ValueError: when the server is too old to keep the app's role from making tables.
    """
    with connected(migrator) as connection:
        grant_schema(connection, app, migrator)


def grant_schema(connection: ServerConnection[Any], app: URL, migrator: URL) -> None:
    """Give the app's role its rights in the schema ``public`` that is there now."""
    version = connection.info.server_version // 10_000
    if version < OLDEST:
        raise ValueError(f"this server has version {version}; {OLDEST} or newer is needed")
    run(connection, _read("privileges.sql"), app, migrator)
    protect_version(connection, app, migrator)


def protect_version(connection: ServerConnection[Any], app: URL, migrator: URL) -> None:
    """Let the app's role read the schema's version, and no more: it could stop every upgrade.

    Call it whenever the table may be a new one: what a migration or a restore makes, the app may
    write.
    """
    if app.username != migrator.username and has_version(connection):
        run(connection, _read("version.sql"), app, migrator)


def has_version(connection: ServerConnection[Any]) -> bool:
    """Whether a migration has run before."""
    found = connection.execute("SELECT to_regclass('alembic_version') IS NOT NULL").fetchone()
    return bool(found and found[0])


def connected(url: URL) -> ServerConnection[Any]:
    """A connection outside the pool; it commits each statement by itself."""
    arguments = {"connect_timeout": 5} | connect_arguments(url)
    return connect(**arguments, autocommit=True)


def run(
    connection: ServerConnection[Any], text: str, app: URL, migrator: URL, **more: sql.Composable
) -> None:
    """Run statements of ours, with names that psycopg puts in quotes."""
    values = {"app": app.username, "migrator": migrator.username, "database": app.database}
    names = {name: sql.Identifier(value or "") for name, value in values.items()}
    connection.execute(sql.SQL(text).format(**names, **more))


def _is_made(connection: ServerConnection[Any], app: URL, migrator: URL) -> bool:
    """Whether the database is there. Neither it nor the roles may be somebody else's."""
    query = """SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)
        AND (rolsuper OR rolreplication OR rolbypassrls OR rolname = CURRENT_USER)"""
    for (name,) in connection.execute(query, [[app.username, migrator.username]]):
        raise ValueError(f"the role {name} administers the server; name a role of the service")
    query = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = %s"
    for (owner,) in connection.execute(query, [app.database]):
        if owner != migrator.username:
            raise ValueError(f"the database {app.database} is of {owner}, not {migrator.username}")
        return True
    return False


def _make_roles(connection: ServerConnection[Any], app: URL, migrator: URL) -> None:
    passwords = {
        "app_password": _verifier(connection, app),
        "migrator_password": _verifier(connection, migrator),
    }
    for statement in _read("roles.sql").split(";\n"):
        with suppress(errors.DuplicateObject), connection.transaction():
            run(connection, statement, app, migrator, **passwords)


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
