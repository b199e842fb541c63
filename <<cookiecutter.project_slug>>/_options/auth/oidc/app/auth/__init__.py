"""Accounts at an OpenID Connect provider; signed in by a session cookie.

What the provider is asked and believed is in :mod:`app.auth.code_flow`; what guards the connection
to it is wired and checked by :mod:`app.security.identity_provider`.
"""

from __future__ import annotations

from flask import Flask

from app import account
from app.auth import backchannel, operators, views


def init_app(app: Flask) -> None:
    """Register the pages: for signing in and out, the account, operators, and the provider."""
    app.register_blueprint(views.blueprint)
    app.register_blueprint(backchannel.blueprint)
    app.register_blueprint(account.blueprint)
    app.register_blueprint(operators.blueprint)
