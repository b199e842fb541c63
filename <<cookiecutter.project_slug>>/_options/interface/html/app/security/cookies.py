"""Secure cookies: a session cookie is stolen, planted, read by script, or used after its end.

The cookie carries a CSRF secret, messages for the next page and, once signed in, 256 random bits;
it is signed with SHA-256. The database alone decides whether somebody is signed in
(:mod:`app.auth.sessions`), and knows only the hash of those bits. So a stolen database signs nobody
in, and a saved cookie is worthless after sign-out, password change, disabling, revocation or
expiry. OWASP Session Management cheat sheet; ASVS 3.3.1-3.3.5, 7.1-7.5.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime

from flask import Flask
from flask.sessions import SecureCookieSessionInterface, SessionMixin

UNTIL = "until"  # the entry of a cookie that outlives the browser: its end, in seconds since 1970


class SHA256CookieSession(SecureCookieSessionInterface):
    """Flask's signed cookie, with SHA-256 in place of SHA-1."""

    digest_method = staticmethod(hashlib.sha256)

    def get_expiration_time(self, app: Flask, session: SessionMixin) -> datetime | None:
        """When the cookie expires; None: when the browser is closed.

        A fixed time: a period would begin again each time that the service sends the cookie.
        """
        if until := session.get(UNTIL):
            return datetime.fromtimestamp(until, UTC)
        return super().get_expiration_time(app, session)


def init_app(app: Flask) -> None:
    """Set the attributes of the session cookie.

    Development has no HTTPS, which the ``__Host-`` prefix and ``Secure`` need.
    """
    production = app.config["SETTINGS"].production
    app.config.update(
        # The prefix makes browsers refuse a cookie of this name from a subdomain or plain HTTP.
        SESSION_COOKIE_NAME="__Host-session" if production else "session",
        SESSION_COOKIE_SECURE=production,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_PATH="/",
        SESSION_COOKIE_DOMAIN=None,
        SESSION_REFRESH_EACH_REQUEST=False,
    )
    app.session_interface = SHA256CookieSession()


def check(app: Flask) -> Iterator[str]:
    """Yield every attribute that is weaker than it must be."""
    expected = {
        "SESSION_COOKIE_NAME": "__Host-session",
        "SESSION_COOKIE_SECURE": True,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_PATH": "/",
        "SESSION_COOKIE_DOMAIN": None,
        "SESSION_COOKIE_PARTITIONED": False,
    }
    for name, value in expected.items():
        if app.config[name] != value:
            yield f"{name} is {app.config[name]!r}; it must be {value!r}"
    if app.config["SESSION_COOKIE_SAMESITE"] not in ("Lax", "Strict"):
        yield "SESSION_COOKIE_SAMESITE is neither Lax nor Strict; other sites could send the cookie"
    digest = getattr(app.session_interface, "digest_method", None)
    if digest is not hashlib.sha256:
        yield "the session cookie is not signed with SHA-256; use SHA256CookieSession"
