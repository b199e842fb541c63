"""CSRF: another site makes a signed-in user's browser send a request that changes something.

Flask-WTF's token proves that the request came from a form that this session was shown. It is the
second of two independent layers; the first is :mod:`app.security.cross_origin`. OWASP Cross-Site
Request Forgery Prevention cheat sheet; ASVS 3.5.1-3.5.3.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from flask import Flask, current_app, g, request
from flask.typing import ResponseReturnValue
from flask_wtf import CSRFProtect
from flask_wtf.csrf import CSRFError
from itsdangerous import Signer

from app.security.errors import respond
from app.security.kept_forms import kept_fields, send_again
from app.security.logs import security_event
from app.security.safe_methods import CHANGING

csrf_protect = CSRFProtect()


def init_app(app: Flask) -> None:
    """Require a token on every unsafe method of every route."""
    app.config.update(
        WTF_CSRF_CHECK_DEFAULT=False,  # require_token does it, and knows no csrf.exempt
        # The token lives exactly as long as the session that it is bound to.
        WTF_CSRF_TIME_LIMIT=None,
        # Flask-WTF does not know SECRET_KEY_FALLBACKS; a list (oldest first) keeps forms that were
        # opened before a key rotation alive.
        WTF_CSRF_SECRET_KEY=[*reversed(app.config["SECRET_KEY_FALLBACKS"]), app.secret_key],
    )
    # Flask-WTF signs its token with the default digest of itsdangerous, which is SHA-1. To change
    # that default is what itsdangerous offers for it (documentation of Signer).
    Signer.default_digest_method = staticmethod(hashlib.sha256)
    csrf_protect.init_app(app)
    app.before_request(require_token)
    app.register_error_handler(CSRFError, _log_and_refuse)


def check(app: Flask) -> Iterator[str]:
    """Yield what weakens the token."""
    if require_token not in app.before_request_funcs.get(None, []):
        yield "CSRF protection is off; call csrf.init_app(app)"
    for name in ("WTF_CSRF_ENABLED", "WTF_CSRF_SSL_STRICT"):
        if app.config.get(name) is not True:
            yield f"{name} is off; remove the setting, it is on by default"
    if app.config["WTF_CSRF_METHODS"] != CHANGING:
        yield "WTF_CSRF_METHODS leaves out an unsafe method; remove the setting"


def require_token() -> None:
    """Refuse a request that changes something without the token of its session.

    A view that programs call marks itself ``is_signed_request``: it verifies a signature instead.

    :raises CSRFError: also for a view that is marked ``csrf.exempt``.
    """
    view = current_app.view_functions.get(request.endpoint or "")
    if view is not None and not getattr(view, "is_signed_request", False):
        csrf_protect.protect()


def _log_and_refuse(error: CSRFError) -> ResponseReturnValue:
    security_event("malicious_csrf", reason=error.description)
    if g.get("user") and (fields := kept_fields()):
        return send_again(fields, signed_in=True)
    # The reason would tell an attacker which layer refused: users get one text for all reasons.
    error.description = "This form is no longer valid."
    return respond(error)
