"""SQLite: what the engine needs on this database, and nowhere else."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Engine, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import ConnectionPoolEntry

NAME = "SQLite"
HELP = "DATABASE_URL names its file, which `make db` makes."
HINT = "write sqlite:////absolute/path.sqlite3"
DEVELOPMENT_URL = "sqlite:///development.sqlite3"  # a file in the folder "instance"
BUSY_TIMEOUT = 5  # seconds a writer waits for another writer before the request gets 503


class ExistingFile(sqlite3.Connection):
    """A connection that never creates the file: it would be empty, and readable by others."""

    def __init__(self, path: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(f"file:{quote(path)}?mode=rw", *args, **{**kwargs, "uri": True})


def engine_options(url: str) -> dict[str, Any]:
    """Options of the engine."""
    return {"url": url, "connect_args": {"timeout": BUSY_TIMEOUT, "factory": ExistingFile}}


def set_up(engine: Engine) -> None:
    """Set what SQLite keeps per connection, whenever one is opened."""
    event.listen(engine, "connect", _on_connect)


def url_problem(url: str) -> str | None:
    """Why ``url`` cannot be used at all, or None."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # ValueError: a port that is no number
        return f"DATABASE_URL is not a database URL; {HINT}"
    if parsed.drivername not in ("sqlite", "sqlite+pysqlite"):
        return f"DATABASE_URL is for {parsed.drivername}; this service was rendered for SQLite"
    if parsed.host or parsed.database in (None, "", ":memory:"):
        return f"DATABASE_URL does not name a file; {HINT}"
    return None


def check(url: URL, name: str) -> Iterator[str]:
    """What is unsafe about the database of a service in production."""
    if not url.database or not Path(url.database).is_absolute():
        yield f"{name} is not an absolute path; {HINT}"
    elif (path := Path(url.database)).exists() and path.stat().st_mode & 0o077:
        yield f"{name}: others may read {path}; run chmod 600 on it"


def _on_connect(connection: sqlite3.Connection, record: ConnectionPoolEntry) -> None:
    # Foreign keys are off by default; trusted_schema off keeps a tampered schema from calling
    # functions with side effects; with the write-ahead log, readers do not wait for a writer.
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA trusted_schema = OFF")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.close()
