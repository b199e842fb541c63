"""The statements that a request sends to the database: their number and kind can be timed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask
from sqlalchemy import event

from app.database import db


@contextmanager
def recorded(app: Flask) -> Iterator[list[str]]:
    """The kind of each statement that is sent to the database, and the commits."""
    found: list[str] = []

    def statement(_connection: Any, _cursor: Any, text: str, *_: Any) -> None:
        found.append(text.split()[0])

    def commit(_connection: Any) -> None:
        found.append("COMMIT")

    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", statement)
    event.listen(engine, "commit", commit)
    try:
        yield found
    finally:
        event.remove(engine, "before_cursor_execute", statement)
        event.remove(engine, "commit", commit)
