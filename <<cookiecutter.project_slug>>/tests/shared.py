"""One app for many tests: a new one has to compile its routes and each of its statements again.

That would be a third of the processor time of the tests.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from flask import Flask

from app.security.logs import StandardErrorHandler
from app.security.rate_limits import limiter
from tests.database import dispose


class Shared:
    """Hands out the same app until a test has changed it."""

    def __init__(self, build: Callable[[], Flask]) -> None:
        self.build = build
        self.app: Flask | None = None
        self.built: list[Any] = []
        self.handlers: list[logging.Handler] = []

    def get(self) -> Flask:
        """The app, built anew where it is not as it was built."""
        if self.app is None or state(self.app) != self.built:
            self.close()
            self.app = self.build()
            self.built, self.handlers = state(self.app), handlers()
        elif handlers() != self.handlers:
            self.take_back(self.app)
        return self.app

    def take_back(self, app: Flask) -> None:
        """Count and log for this app again: in a process, the app that was built last does."""
        limiter.init_app(app)
        root = logging.getLogger()
        for other in handlers():
            root.removeHandler(other)
        for own in self.handlers:
            root.addHandler(own)

    def close(self) -> None:
        """Forget the app and close its connections to the database."""
        if self.app is not None:
            dispose(self.app)
        self.app = None


def state(app: Flask) -> list[Any]:
    """What tests change of an app."""
    return [
        copied(app.config),
        copied(app.extensions),
        copied(app.before_request_funcs),
        copied(app.after_request_funcs),
        copied(app.teardown_request_funcs),
        copied(app.teardown_appcontext_funcs),
        copied(app.error_handler_spec),
        copied(app.view_functions),
        copied(app.jinja_env.globals),
        app.jinja_env.autoescape,
        app.wsgi_app,
    ]


def handlers() -> list[logging.Handler]:
    """Those that write the log."""
    return [it for it in logging.getLogger().handlers if isinstance(it, StandardErrorHandler)]


def copied(value: Any) -> Any:
    """The same in containers of its own, without the empty ones: Flask adds them as it looks."""
    if isinstance(value, set):
        return set(value)
    if isinstance(value, dict):
        return {key: copied(inner) for key, inner in value.items() if not is_empty(inner)}
    return [copied(inner) for inner in value] if isinstance(value, list) else value


def is_empty(value: Any) -> bool:
    return isinstance(value, dict) and all(map(is_empty, value.values()))
