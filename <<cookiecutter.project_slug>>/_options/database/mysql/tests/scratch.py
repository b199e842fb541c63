"""MySQL and MariaDB: one more database for a test, made by the migrator."""

from __future__ import annotations

from contextlib import suppress

import pymysql

from app.database.provisioning import connected, read, run, tables
from app.database.roles import Roles


def create(own: Roles) -> None:
    """Make the database that the URLs name."""
    with connected(own.migrator) as connection:
        run(connection, read("database.sql"), own)


def drop(own: Roles) -> None:
    """Remove it."""
    with connected(own.migrator) as connection:
        # The rights on a table would outlive it. There are none where no migration has run.
        for table in tables(connection, own.app.database):
            for name in ("app", "mail"):
                with suppress(pymysql.ProgrammingError, pymysql.OperationalError):
                    run(connection, f"REVOKE ALL ON {{granted}} FROM {{{name}}}", own, table)
        run(connection, "DROP DATABASE IF EXISTS {database}", own)
