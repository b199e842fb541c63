"""Secure cookies: a session cookie is stolen, planted, read by script, or used after its end.

The cookie carries a CSRF secret, messages for the next page and, once signed in, 256 random bits;
it is signed with SHA-256. Whether somebody is signed in is decided by the database alone
(:mod:`app.auth.sessions`), which knows only the hash of those bits: a stolen database signs nobody
in, and a cookie that was saved before sign-out, password change, disabling, revocation or expiry is
worthless after it. OWASP Session Management cheat sheet; ASVS 3.3.1-3.3.5, 7.1-7.5.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from flask import Flask, Response
from flask.sessions import SecureCookieSessionInterface, SessionMixin
from itsdangerous import URLSafeTimedSerializer


class SHA256CookieSession(SecureCookieSessionInterface):
    """Flask's signed cookie with SHA-256 in place of SHA-1, and without needless work."""

    digest_method = staticmethod(hashlib.sha256)
    kept: tuple[object, URLSafeTimedSerializer | None] = ((), None)

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer | None:
        """Flask makes one for each request; this one is for all that the same keys sign."""
        keys = (app.secret_key, *app.config["SECRET_KEY_FALLBACKS"])
        known, serializer = self.kept
        if known != keys:
            serializer = super().get_signing_serializer(app)
            self.kept = keys, serializer
        return serializer

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Flask looks at every attribute of the cookie, even when it sends none."""
        if session.modified or app.config["SESSION_REFRESH_EACH_REQUEST"]:
            super().save_session(app, session, response)
        elif session.accessed:  # what was answered depends on the cookie: no cache may mix it up
            response.headers.add("Vary", "Cookie")


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
