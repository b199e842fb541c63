"""CSRF: another site makes a signed-in user's browser send a request that changes something.

A browser adds cookies to what another site makes it send; it never adds an Authorization header. So
:mod:`app.auth.identity` reads the user from that header alone, and the API takes JSON alone: no
form can send that, and a foreign script has to ask first (:mod:`app.security.cors`). Routes outside
of ``/api/`` require the token of Flask-WTF: a form that somebody adds one day is refused until it
has one. The first layer is :mod:`app.security.cross_origin`. OWASP Cross-Site Request Forgery
Prevention cheat sheet; ASVS 3.5.1-3.5.3.
"""

from __future__ import annotations

from collections.abc import Iterator

from flask import Flask, request
from flask.typing import ResponseReturnValue
from flask_wtf import CSRFProtect
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import UnsupportedMediaType

from app.security.errors import respond
from app.security.logs import security_event
from app.security.safe_methods import CHANGING, SAFE

API = "/api/"
csrf_protect = CSRFProtect()


def init_app(app: Flask) -> None:
    """Require JSON on every unsafe method of the API, and a token everywhere else."""
    app.config.update(WTF_CSRF_CHECK_DEFAULT=False, WTF_CSRF_TIME_LIMIT=None)
    csrf_protect.init_app(app)
    app.before_request(refuse_forms)
    app.register_error_handler(CSRFError, _log_and_refuse)


def check(app: Flask) -> Iterator[str]:
    """Yield what would accept a form."""
    if refuse_forms not in app.before_request_funcs.get(None, []):
        yield "forms are accepted by the API; call csrf.init_app(app)"
    if app.config.get("WTF_CSRF_SSL_STRICT") is not True:
        yield "WTF_CSRF_SSL_STRICT is off; remove the setting, it is on by default"
    if app.config["WTF_CSRF_METHODS"] != CHANGING:
        yield "WTF_CSRF_METHODS leaves out an unsafe method; remove the setting"


def refuse_forms() -> None:
    """Refuse what a form, or a script that may not ask first, can send.

    :raises UnsupportedMediaType: for a body that is not ``application/json``, and for a type
        without a body: a form without fields has one.
    :raises CSRFError: outside of the API, without a token of Flask-WTF.
    """
    if request.method in SAFE or request.endpoint is None:
        return
    if not request.path.startswith(API):
        csrf_protect.protect()
    elif request.mimetype != "application/json" and (request.content_type or request.get_data()):
        raise UnsupportedMediaType("Send JSON, with the content type application/json.")


def _log_and_refuse(error: CSRFError) -> ResponseReturnValue:
    security_event("malicious_csrf", reason=error.description)
    # The reason would tell an attacker which layer refused: users get one text for all reasons.
    error.description = "This form is not valid here."
    return respond(error)
