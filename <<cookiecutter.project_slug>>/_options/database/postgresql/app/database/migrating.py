"""PostgreSQL: what happens before and after a migration, in its transaction."""

from __future__ import annotations

from typing import Any, cast

from psycopg import Connection as ServerConnection
from sqlalchemy import Connection

from app.database.provisioning import grant_tables, has_table
from app.database.roles import Roles

FIRST_MIGRATION = 7_046_029  # any number, but the same in every process of this service


def before(connection: Connection) -> None:
    """Wait for a migration that runs at the same time; the lock ends with the transaction.

    Every role may take an advisory lock: an attacker in the app could stop every upgrade with it.
    So it is only for the first migration. After that there is a table that the app may not lock.
    """
    server = _server_connection(connection)
    if not has_table(server, "alembic_version"):
        server.execute("SELECT pg_advisory_xact_lock(%s)", [FIRST_MIGRATION])
    if has_table(server, "alembic_version"):
        server.execute("LOCK TABLE alembic_version IN SHARE ROW EXCLUSIVE MODE")


def after(connection: Connection, roles: Roles) -> None:
    """Revoke rights of the app, which has all on every new table; grant the outbox."""
    grant_tables(_server_connection(connection), roles)


def _server_connection(connection: Connection) -> ServerConnection[Any]:
    return cast("ServerConnection[Any]", connection.connection.driver_connection)
