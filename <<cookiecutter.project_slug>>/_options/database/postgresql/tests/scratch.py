"""PostgreSQL: one more database for a test, made by the migrator."""

from __future__ import annotations

from sqlalchemy import URL

from app.database.provisioning import DATABASE, connected, grant, run


def create(app: URL, migrator: URL) -> None:
    """Make the database that both URLs name."""
    with connected(migrator.set(database="postgres")) as connection:
        run(connection, DATABASE, app, migrator)
    grant(app, migrator)


def drop(app: URL, migrator: URL) -> None:
    """Remove it, even while clients are connected."""
    with connected(migrator.set(database="postgres")) as connection:
        run(connection, "DROP DATABASE IF EXISTS {database} WITH (FORCE)", app, migrator)
