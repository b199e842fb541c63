"""Accounts with an e-mail address and a password; signed in by tokens."""

from __future__ import annotations

from flask import Flask

from app.auth import (
    account_views,
    address_views,
    challenges,
    identity,
    link_views,
    own_data_views,
    passkey_views,
    rescue_views,
    second_step_views,
    session_views,
    step_up_views,
    token_views,
    views,
)
from app.security import access


def init_app(app: Flask) -> None:
    """Register the routes for signing up, in and out, and for the account."""
    access.authenticate_by(app, identity.identify, challenges.challenge, challenges.step_up_first)
    app.register_blueprint(views.blueprint)
    app.register_blueprint(link_views.blueprint)
    app.register_blueprint(account_views.blueprint)
    app.register_blueprint(second_step_views.blueprint)
    app.register_blueprint(step_up_views.blueprint)
    app.register_blueprint(passkey_views.blueprint)  # also those of factor_views.py
    app.register_blueprint(address_views.blueprint)
    app.register_blueprint(session_views.blueprint)
    app.register_blueprint(token_views.blueprint)
    app.register_blueprint(own_data_views.blueprint)
    app.register_blueprint(rescue_views.blueprint)
