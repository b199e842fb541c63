"""Rows as the database has them, for tests that search them: a ``Secret`` would hide its text."""

from __future__ import annotations

from typing import Any

from sqlalchemy import FromClause, select

from app.database import db
from app.secret import Secret


def stored_rows(table: FromClause) -> list[dict[str, Any]]:
    """Each row of a table, in the order of its key."""
    rows = db.session.execute(select(table).order_by(*table.primary_key)).mappings()
    return [{str(name): revealed(it) for name, it in row.items()} for row in rows]


def revealed(value: object) -> object:
    return value.reveal() if isinstance(value, Secret) else value
