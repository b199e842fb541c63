"""A speed-up. Without the call of ``init_app``, the service does the same in more time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask


def init_app(app: Flask) -> None:
    """Start no event loop after a request: saves 450 microseconds of CPU for ``GET /``.

    Flask-SQLAlchemy-Lite closes the sessions of asyncio after each request. There are none, but
    Flask starts a thread and an event loop to do it. Flask documents ``async_to_sync`` for this.
    """
    run_in_event_loop = app.async_to_sync

    def async_to_sync(function: Callable[..., Any]) -> Callable[..., Any]:
        if function.__module__.startswith("flask_sqlalchemy_lite."):
            return lambda error: None
        return run_in_event_loop(function)

    app.async_to_sync = async_to_sync  # type: ignore[assignment, method-assign]
