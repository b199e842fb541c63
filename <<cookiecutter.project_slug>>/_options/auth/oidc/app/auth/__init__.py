"""Accounts at an OpenID Connect provider; signed in by a session cookie.

:mod:`app.auth.code_flow` asks the provider; :mod:`app.auth.identity_provider` wires and checks what
guards the connection to it.
"""

from __future__ import annotations

from flask import Flask

from app.auth import (
    account,
    backchannel,
    challenges,
    identity,
    identity_provider,
    operators,
    own_data,
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
    app.register_blueprint(backchannel.blueprint)
    app.register_blueprint(account.blueprint)
    app.register_blueprint(own_data.blueprint)
    app.register_blueprint(operators.blueprint)
