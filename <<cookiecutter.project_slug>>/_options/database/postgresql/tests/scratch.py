"""PostgreSQL: one more database for a test, made by the migrator."""

from __future__ import annotations

from app.database.provisioning import DATABASE, connected, grant, run
from app.database.roles import Roles


def create(own: Roles) -> None:
    """Make the database that the URLs name."""
    with connected(own.migrator.set(database="postgres")) as connection:
        run(connection, DATABASE, own)
    grant(own)


def drop(own: Roles) -> None:
    """Remove it, even while clients are connected."""
    with connected(own.migrator.set(database="postgres")) as connection:
        run(connection, "DROP DATABASE IF EXISTS {database} WITH (FORCE)", own)
