"""One app for many tests: to build it anew, and to compile its statements again, takes a third of
the time of a test.
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
    """Hands out the same app until a test has changed it, or has built another one."""

    def __init__(self, build: Callable[[], Flask]) -> None:
        self.build = build
        self.app: Flask | None = None
        self.built: list[Any] = []

    def get(self) -> Flask:
        """The app, built anew where it is not as it was built."""
        if self.app is None or state(self.app) != self.built:
            self.close()
            self.app = self.build()
            self.built = state(self.app)
        return self.app

    def close(self) -> None:
        """Forget the app and close its connections to the database."""
        if self.app is not None:
            dispose(self.app)
        self.app = None


def state(app: Flask) -> list[Any]:
    """What tests change of an app, and what another app changes when it is built."""
    hooks = (
        app.before_request_funcs,
        app.after_request_funcs,
        app.teardown_request_funcs,
        app.template_context_processors,
    )
    return [
        dict(app.config),
        [{name: list(functions) for name, functions in them.items()} for them in hooks],
        [*app.teardown_appcontext_funcs],
        {
            name: {code: dict(handlers) for code, handlers in spec.items()}
            for name, spec in app.error_handler_spec.items()
        },
        dict(app.view_functions),
        dict(app.extensions),
        dict(app.jinja_env.globals),
        app.jinja_env.autoescape,
        app.wsgi_app,
        limiter.storage,
        [it for it in logging.getLogger().handlers if isinstance(it, StandardErrorHandler)],
    ]
