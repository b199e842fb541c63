"""Accounts at an OpenID Connect provider; signed in by a session cookie.

:mod:`app.auth.code_flow` asks the provider; :mod:`app.auth.identity_provider` wires and checks what
guards the connection to it.
"""

from __future__ import annotations

from flask import Flask

from app.auth import (
    account_views,
    backchannel_views,
    challenges,
    deletion_views,
    identity,
    identity_provider,
    operator_views,
    step_up_views,
    views,
)
from app.security import access


def init_app(app: Flask) -> None:
    """Register the pages for signing in and out, the account and operators."""
    access.authenticate_by(app, identity.identify, challenges.challenge, challenges.step_up_first)
    identity_provider.init_app(app)
    app.config["PRACTICES"].append(identity_provider)
    app.register_blueprint(views.blueprint)
    app.register_blueprint(step_up_views.blueprint)
    app.register_blueprint(backchannel_views.blueprint)
    app.register_blueprint(account_views.blueprint)
    app.register_blueprint(deletion_views.blueprint)
    app.register_blueprint(operator_views.blueprint)
