"""What is stored of second factors: taken along without a secret, and gone with the account."""

from __future__ import annotations

import json
from typing import Any

import pyotp
import pytest
from flask import Flask, g
from sqlalchemy import select

from app.auth import deletion, export, factor_resets, second_factors, tickets, totp
from app.auth.passkeys import Passkey
from app.auth.recovery_codes import RecoveryCode
from app.auth.tickets import Ticket
from app.auth.totp import AuthenticatorApp
from app.database import db
from tests.browser import Browser
from tests.factors import asking, user_of, with_app, with_codes, with_foreign_passkey
from tests.marks import asvs, practice

MODELS = (AuthenticatorApp, Passkey, RecoveryCode, Ticket)


@pytest.fixture(autouse=True)
def accounts_of_two(app: Flask, alice: Browser, bob: Browser) -> list[str]:
    """Both have every second factor; the codes of alice."""
    codes = []
    for user in (alice, bob):
        with_app(app, user.email)
        with_foreign_passkey(app, user.email)
        codes.append(with_codes(app, user.email))
        with asking(app):
            tickets.issue("second factor", user_of(user.email))
            factor_resets.begin(user_of(user.email))
            db.session.commit()
    return codes[0]


def rows(app: Flask, email: str) -> list[Any]:
    """What is stored of this account's second factors."""
    with app.app_context():
        user = user_of(email)
        return [
            row
            for model in MODELS
            for row in db.session.scalars(select(model).where(model.user_id == user.id))
        ]


@practice("auth.export")
@asvs("15.3.1", "8.2.2")
def test_the_export_has_no_secret_of_a_second_factor(
    app: Flask, alice: Browser, accounts_of_two: list[str]
) -> None:
    with app.app_context():
        secret = second_factors.totp.find(user_of(alice.email))
        assert secret is not None
        plain = totp.decrypt(secret.secret, totp.PURPOSE).reveal()
    secrets = [plain, secret.secret, *accounts_of_two, pyotp.TOTP(plain).now()]
    for row in rows(app, alice.email):
        secrets += [
            str(getattr(row, name))
            for name in ("code_hash", "token_hash", "credential_id", "credential_hash")
            if hasattr(row, name)
        ]
    with app.test_request_context():
        g.user = user_of(alice.email)
        text = "".join(export.parts(g.user))
    assert [secret for secret in secrets if secret in text] == []
    found = json.loads(text)
    assert found["account"]["factors_end_at"]
    (stored,) = found["passkeys"]
    assert (stored.keys(), stored["name"]) == ({"name", "created_at", "used_at"}, "Laptop")
    (stored,) = found["authenticator_apps"]
    assert stored.keys() == {"created_at", "enabled_at"}
    assert found["recovery_codes"] == [{}] * 10
    assert {*found["tickets"][0]} == {"purpose", "expires_at"}


@practice("auth.deletion")
@asvs("7.4.2")
def test_nothing_of_a_second_factor_is_left_of_a_deleted_account(
    app: Flask, alice: Browser, bob: Browser
) -> None:
    with app.app_context():
        user = user_of(alice.email).id
    assert len(rows(app, bob.email)) == len(rows(app, alice.email)) == 13
    with asking(app):
        assert deletion.delete_account(user_of(alice.email))
        db.session.commit()
        left = [
            row
            for model in MODELS
            for row in db.session.scalars(
                select(model).where(model.user_id == user), execution_options=totp.OF_ALL
            )
        ]
    assert left == []
    assert len(rows(app, bob.email)) == 13
