"""Actions of an app and of a script with personal access tokens; see :mod:`tests.actions`."""

from __future__ import annotations

from datetime import timedelta

from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from app.auth.personal_tokens import PersonalToken
from app.database import db
from tests.browser import API, Browser

TOKENS = f"{API}/me/tokens"


def make_token(browser: Browser, *scopes: str, name: str = "Backup", **fields: int) -> TestResponse:
    """Ask for a token that may do this."""
    return browser.post(TOKENS, {"name": name, "scopes": scopes, **fields})


def token_of(browser: Browser, *scopes: str) -> str:
    """The text of a new token."""
    return str(make_token(browser, *scopes).json["token"])


def revoke_token(browser: Browser, public_id: str) -> TestResponse:
    return browser.open("DELETE", f"{TOKENS}/{public_id}")


def script(app: Flask, token: str, address: str = "203.0.113.5") -> Browser:
    """A program that has this token, and nothing else."""
    program = Browser(app, address)
    program.access_token = token
    return program


def age_tokens(app: Flask, age: timedelta) -> None:
    """Make every token older."""
    with app.app_context():
        for row in db.session.scalars(select(PersonalToken)):
            row.expires_at -= age
            row.last_used_at = row.last_used_at and row.last_used_at - age
        db.session.commit()
