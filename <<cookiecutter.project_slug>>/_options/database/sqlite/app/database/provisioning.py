"""SQLite: what an administrator does, once."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import URL

Failed = (OSError,)  # what the functions here raise


def create(admin: URL, app: URL, migrator: URL, *, development: bool) -> None:
    """Make the database file, readable by the service's user alone."""
    path = Path(str(app.database))
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)


def grant(app: URL, migrator: URL) -> None:
    """Nothing: the file's owner may do everything."""


def create_scratch(app: URL, migrator: URL) -> None:
    """Make one more database, for a test."""
    create(app, app, migrator, development=True)


def drop_scratch(app: URL, migrator: URL) -> None:
    """Remove what :func:`create_scratch` has made."""
    for suffix in ("", "-wal", "-shm"):
        Path(f"{app.database}{suffix}").unlink(missing_ok=True)
