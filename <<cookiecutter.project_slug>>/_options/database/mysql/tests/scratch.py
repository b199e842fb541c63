"""MySQL and MariaDB: one more database for a test, made by the migrator."""

from __future__ import annotations

from contextlib import suppress

import pymysql
from sqlalchemy import URL

from app.database.provisioning import connected, read, run, tables


def create(app: URL, migrator: URL) -> None:
    """Make the database that both URLs name."""
    with connected(migrator) as connection:
        run(connection, read("database.sql"), app, migrator)


def drop(app: URL, migrator: URL) -> None:
    """Remove it."""
    with connected(migrator) as connection:
        # The rights on a table would outlive it. There are none where no migration has run.
        for table in tables(connection, app.database):
            with suppress(pymysql.ProgrammingError, pymysql.OperationalError):
                run(connection, "REVOKE ALL ON {granted} FROM {app}", app, migrator, table)
        run(connection, "DROP DATABASE IF EXISTS {database}", app, migrator)
