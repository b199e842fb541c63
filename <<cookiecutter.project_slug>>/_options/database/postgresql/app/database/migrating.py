"""PostgreSQL: what happens before and after a migration, in its transaction."""

from __future__ import annotations

from typing import Any, cast

from psycopg import Connection as ServerConnection
from sqlalchemy import URL, Connection

from app.database.provisioning import has_version, protect_version

FIRST_MIGRATION = 7_046_029  # any number, but the same in every process of this service


def before(connection: Connection) -> None:
    """Wait for a migration that runs at the same time; the lock ends with the transaction.

    Every role may take an advisory lock: an attacker in the app could stop every upgrade with it.
    So it is only for the first migration. After that there is a table that the app may not lock.
    """
    server = _server_connection(connection)
    if not has_version(server):
        server.execute("SELECT pg_advisory_xact_lock(%s)", [FIRST_MIGRATION])
    if has_version(server):
        server.execute("LOCK TABLE alembic_version IN SHARE ROW EXCLUSIVE MODE")


def after(connection: Connection, app: URL) -> None:
    """Revoke the app's rights on the version, which it has on every new table."""
    protect_version(_server_connection(connection), app, connection.engine.url)


def _server_connection(connection: Connection) -> ServerConnection[Any]:
    return cast("ServerConnection[Any]", connection.connection.driver_connection)
