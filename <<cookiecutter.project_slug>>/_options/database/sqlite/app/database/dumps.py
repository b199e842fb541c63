"""SQLite: backup and restore."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import URL

from app.database.dialect import ExistingFile

Failed = (sqlite3.Error, OSError)  # what the functions here raise
SUFFIX = ".sqlite3"  # of a backup


def backup(url: URL, target: Path) -> None:
    """Write the database into ``target``, as of one moment, while the service runs."""
    with (
        closing(sqlite3.connect(str(url.database), factory=ExistingFile)) as source,
        closing(sqlite3.connect(target)) as copy,
    ):
        source.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, without a log next to it


def verify(url: URL, source: Path) -> None:
    """Read all of a backup.

    :raises sqlite3.Error: when it is damaged.
    """
    with closing(sqlite3.connect(str(source), factory=ExistingFile)) as copy:
        found = copy.execute("PRAGMA integrity_check").fetchone()[0]
        pages = copy.execute("PRAGMA page_count").fetchone()[0]
        size = copy.execute("PRAGMA page_size").fetchone()[0]
        # A truncated page reads as if it ended in zeros.
        if found != "ok" or source.stat().st_size != pages * size:
            raise sqlite3.DatabaseError("the backup is damaged; nothing was changed")


def restore(url: URL, source: Path) -> None:
    """Replace all tables with those of ``source``, or change nothing."""
    verify(url, source)
    with (
        closing(sqlite3.connect(str(source), factory=ExistingFile)) as copy,
        closing(sqlite3.connect(str(url.database), factory=ExistingFile)) as target,
    ):
        copy.backup(target)
