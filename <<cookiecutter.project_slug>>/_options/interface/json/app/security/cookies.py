"""Secure cookies: a cookie signs in everybody who has it, and any page makes a browser send it.

This API reads no cookie and sets none: the session of Flask is empty and cannot be written, on
every route. The attributes are those of a safe cookie all the same, for an extension that brings a
session of its own. OWASP REST Security cheat sheet; ASVS 3.3.1-3.3.4, 7.2.1.
"""

from __future__ import annotations

from collections.abc import Iterator

from flask import Flask, Request, Response
from flask.sessions import SessionInterface, SessionMixin

ATTRIBUTES = {
    "SESSION_COOKIE_NAME": "__Host-session",
    "SESSION_COOKIE_SECURE": True,
    "SESSION_COOKIE_HTTPONLY": True,
    "SESSION_COOKIE_SAMESITE": "Strict",
    "SESSION_COOKIE_PATH": "/",
    "SESSION_COOKIE_DOMAIN": None,
}


class NoCookieSession(SessionInterface):
    """A session that reads and stores nothing. Flask raises an error when something is written."""

    def open_session(self, app: Flask, request: Request) -> None:
        return None

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        return None


def init_app(app: Flask) -> None:
    """Replace Flask's cookie by no cookie."""
    app.config.update(ATTRIBUTES)
    app.session_interface = NoCookieSession()


def check(app: Flask) -> Iterator[str]:
    """Yield what would set a cookie, and every weaker attribute."""
    if type(app.session_interface) is not NoCookieSession:
        yield "the session is kept in a cookie; remove the session interface"
    for name, value in ATTRIBUTES.items():
        if app.config[name] != value:
            yield f"{name} is {app.config[name]!r}; it must be {value!r}"
