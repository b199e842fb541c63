"""SQLite: how a test makes the database fail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flask import Flask
from sqlalchemy import make_url
from sqlalchemy.orm import Session

from tests.database import dispose

READ_ONLY = "PRAGMA query_only = ON"
# What the log says.
NO_TABLE = "no such table: "
LOCKED = SERIALIZATION = "database is locked"


class Outage:
    """A database that can be taken away."""

    def __init__(self, settings: dict[str, str]) -> None:
        self.settings = settings
        self.folder = Path(str(make_url(settings["DATABASE_URL"]).database)).parent
        self.away = self.folder.with_name("away")

    def stop(self, app: Flask) -> None:
        """Take the folder away, and the connections that were open."""
        self.folder.rename(self.away)
        dispose(app)

    def resume(self) -> None:
        """Bring the folder back; the service has made no empty database in its place."""
        self.away.rename(self.folder)
        assert [path.name for path in self.folder.parent.iterdir()] == [self.folder.name]


@contextmanager
def outage(settings: dict[str, str], directory: Path) -> Iterator[Outage]:
    """The database of ``settings`` such that the test can take it away."""
    yield Outage(settings)


def begin_serializable(session: Session) -> None:
    """Begin a transaction that does not see what others write."""
    session.connection().exec_driver_sql("BEGIN")
