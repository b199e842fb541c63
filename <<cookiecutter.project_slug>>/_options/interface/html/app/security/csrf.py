"""CSRF: another site makes a signed-in user's browser send a request that changes something.

Flask-WTF's token proves that the request came from a form that this session was shown. It is the
second of two independent layers; the first is :mod:`app.security.cross_origin`. OWASP Cross-Site
Request Forgery Prevention cheat sheet; ASVS 3.5.1-3.5.3.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import itsdangerous
from flask import Flask, current_app, request
from flask.typing import ResponseReturnValue
from flask_wtf import CSRFProtect
from flask_wtf.csrf import CSRFError

from app.security.errors import respond
from app.security.logs import security_event

View = TypeVar("View", bound=Callable[..., Any])


class UnsafeMethods(CSRFProtect):  # type: ignore[misc]
    """Looks at the method first: Flask-WTF looks up the view of every GET, and then the method."""

    def protect(self, apply_exemptions: bool = False) -> None:
        if request.method in current_app.config["WTF_CSRF_METHODS"]:
            super().protect(apply_exemptions)


csrf_protect = UnsafeMethods()
# Views that programs call, not browsers: they look at no cookie, and each request proves itself by
# a signature. Whoever adds one says in its docstring how.
SIGNED_REQUESTS: set[str] = set()


def signed_request(view: View) -> View:
    """Ask for no token: the view verifies a signature instead. It goes right below the route."""
    csrf_protect.exempt(view)
    SIGNED_REQUESTS.add(f"{view.__module__}.{view.__name__}")
    return view


def init_app(app: Flask) -> None:
    """Require a token on every unsafe method of every route."""
    app.config.update(
        # The token lives exactly as long as the session that it is bound to.
        WTF_CSRF_TIME_LIMIT=None,
        # Flask-WTF does not know SECRET_KEY_FALLBACKS; a list (oldest first) keeps forms that were
        # opened before a key rotation alive.
        WTF_CSRF_SECRET_KEY=[*reversed(app.config["SECRET_KEY_FALLBACKS"]), app.secret_key],
    )
    # Flask-WTF gives no way to choose the digest of its signature; the default is SHA-1.
    itsdangerous.Signer.default_digest_method = staticmethod(hashlib.sha256)
    csrf_protect.init_app(app)
    app.register_error_handler(CSRFError, _log_and_refuse)


def check(app: Flask) -> Iterator[str]:
    """Yield what weakens the token."""
    for name in ("WTF_CSRF_ENABLED", "WTF_CSRF_CHECK_DEFAULT", "WTF_CSRF_SSL_STRICT"):
        if app.config.get(name) is not True:
            yield f"{name} is off; remove the setting, it is on by default"
    if app.config["WTF_CSRF_METHODS"] != {"POST", "PUT", "PATCH", "DELETE"}:
        yield "WTF_CSRF_METHODS leaves out an unsafe method; remove the setting"
    exempt = csrf_protect._exempt_views | csrf_protect._exempt_blueprints
    if exempt := exempt - SIGNED_REQUESTS:
        yield f"CSRF protection is switched off for {sorted(map(str, exempt))}; remove csrf.exempt"


def _log_and_refuse(error: CSRFError) -> ResponseReturnValue:
    security_event("malicious_csrf", reason=error.description)
    # The reason tells an attacker which layer held: users get one text for all of them.
    error.description = "This form is no longer valid. Go back, reload the page and try again."
    return respond(error)
