"""What the errors of the database's driver mean."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError


def is_unmigrated(error: DBAPIError) -> bool:
    """Whether a statement failed because the schema is not the one of this code."""
    return str(error.orig).startswith(("no such table", "no such column"))


def is_deadlock(error: DBAPIError) -> bool:
    """Whether transactions waited for each other: never, a file has one writer."""
    return False
