"""SQLite: what happens before and after a migration."""

from __future__ import annotations

from sqlalchemy import URL, Connection


def before(connection: Connection) -> None:
    """Wait for a migration that runs at the same time: only one connection writes."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def after(connection: Connection, app: URL) -> None:
    """Nothing: the file's owner may do everything."""
