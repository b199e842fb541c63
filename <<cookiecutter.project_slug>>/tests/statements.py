"""The statements that a request sends to the database: what a test sees of them, and counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask
from sqlalchemy import Engine, event

from app.database import db


@contextmanager
def listening(app: Flask | None = None, **functions: Callable[..., None]) -> Iterator[None]:
    """Call each function at the event of its name: of the engine of an app, or of every engine."""
    target: Any = Engine
    if app is not None:
        with app.app_context():
            target = db.engine
    for name, function in functions.items():
        event.listen(target, name, function)
    try:
        yield
    finally:
        for name, function in functions.items():
            event.remove(target, name, function)


@contextmanager
def recorded(app: Flask) -> Iterator[list[str]]:
    """The kind of each statement that is sent to the database, and the commits."""
    found: list[str] = []

    def statement(_connection: Any, _cursor: Any, text: str, *_: Any) -> None:
        found.append(text.split()[0])

    def commit(_connection: Any) -> None:
        found.append("COMMIT")

    with listening(app, before_cursor_execute=statement, commit=commit):
        yield found
