"""Second factors that a test only begins with: rows, without the requests that make them."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pyotp
import pytest
from flask import Flask
from flask.ctx import RequestContext
from sqlalchemy import select

from app.auth import (
    passkey_ceremonies,
    passkey_requests,
    passkeys,
    recovery_codes,
    second_factors,
    tickets,
    totp,
    totp_codes,
)
from app.auth.models import Session, User
from app.auth.passkeys import Passkey
from app.auth.totp import AuthenticatorApp
from app.auth.totp_codes import DIGITS, SECRET_LENGTH, STEP
from app.database import db, now
from app.secret import Secret
from app.security.scope import unscoped
from tests.authenticator import Authenticator
from tests.browser import ORIGIN, Browser

STALE = timedelta(minutes=11)  # older than a fresh proof


class Clock:
    """The time that codes are made and checked at; it stands still in the middle of a step."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at = int(time.time()) // STEP * STEP + STEP // 2
        monkeypatch.setattr(totp_codes, "time", SimpleNamespace(time=lambda: self.at))

    def code(self, secret: str, steps: int = 0) -> str:
        """The code of an app, ``steps`` steps from now."""
        return pyotp.TOTP(secret, digits=DIGITS, interval=STEP).at(self.at + steps * STEP)

    def wrong(self, secret: str) -> str:
        """A code that is none of the app's, at any step around now."""
        near = {self.code(secret, steps) for steps in range(-3, 4)}
        return next(code for code in (f"{n:06}" for n in range(10)) if code not in near)

    def next_step(self, steps: int = 1) -> None:
        self.at += steps * STEP


def asking(app: Flask) -> RequestContext:
    """The context of a request that may write; nobody is signed in."""
    return app.test_request_context(base_url=ORIGIN, method="POST")


def user_of(email: str) -> User:
    """The account, in a context."""
    return db.session.scalars(select(User).where(User.email == Secret(email))).one()


def with_app(app: Flask, email: str) -> str:
    """Give an account an authenticator app; its secret."""
    with app.app_context():
        user = user_of(email)
        secret = pyotp.random_base32(SECRET_LENGTH)
        stored = totp.encrypt(Secret(secret), totp.PURPOSE)
        mine = AuthenticatorApp(user_id=user.id, secret=stored, enabled_at=now())
        db.session.add(unscoped(mine, "tests"))
        db.session.commit()
        return secret


def with_codes(app: Flask, email: str) -> list[str]:
    """Give an account recovery codes."""
    with app.app_context():
        codes = recovery_codes.renew(user_of(email))
        db.session.commit()
        return [code.reveal() for code in codes]


def with_passkey(app: Flask, email: str) -> Authenticator:
    """Give an account a passkey; the device that has it."""
    device = Authenticator()
    user, token, options = asked(app, email, "new passkey")
    register(app, user, token, json.dumps(device.create(options)))
    return device


def with_foreign_passkey(app: Flask, email: str) -> None:
    """Give an account a passkey, of which nobody has the private key."""
    with app.app_context():
        user = user_of(email)
        parts = {"credential_id": f"id {user.id}", "public_key": "x", "sign_count": 0}
        digest = passkeys.hash_id(f"id {user.id}".encode())
        db.session.add(Passkey(user_id=user.id, credential_hash=digest, name="Laptop", **parts))
        db.session.commit()


def factors_of(app: Flask, email: str) -> tuple[list[str], int]:
    """The second factors of an account, and how many recovery codes are left."""
    with app.app_context():
        user = user_of(email)
        return [*second_factors.of(user)], recovery_codes.left(user)


def asked(app: Flask, email: str, purpose: tickets.Purpose) -> tuple[User, Secret, dict[str, Any]]:
    """The user, a ticket for a passkey, and what to ask the authenticator."""
    with app.app_context():
        user = user_of(email)
    with asking(app):
        ticket, token = tickets.issue(purpose, None if purpose == "passkey" else user)
        if purpose == "new passkey":
            options = passkey_requests.to_create(ticket, user)
        else:
            options = passkey_requests.to_answer(ticket)
        db.session.commit()
    return user, token, options


def register(app: Flask, user: User, token: Secret, answer: str) -> None:
    """Store the passkey of an answer; see :func:`app.auth.passkey_ceremonies.register`."""
    with asking(app):
        ticket = tickets.find("new passkey", token)
        assert ticket is not None
        passkey_ceremonies.register(ticket, db.session.merge(user, load=False), answer, "Phone")
        db.session.commit()


def prove(app: Flask, email: str, proof: str) -> None:
    """Set the last proof of all sessions of an account."""
    with app.app_context():
        for session in db.session.scalars(select(Session).where(Session.user == user_of(email))):
            session.proof = proof
        db.session.commit()


def age_proofs(app: Flask, age: timedelta = STALE) -> None:
    """Make the proof of every session older."""
    with app.app_context():
        for session in db.session.scalars(select(Session)):
            session.proven_at = session.proven_at and session.proven_at - age
        db.session.commit()


def copy_ticket(browser: Browser, thief: Browser) -> None:
    """Give another client what this browser keeps between two steps."""
    thief.use_credential(browser.credential())
    if hasattr(browser, "ticket"):
        thief.ticket = browser.ticket


def age_tickets(app: Flask, age: timedelta) -> None:
    """Make every ticket older."""
    with app.app_context():
        for ticket in db.session.scalars(select(tickets.Ticket)):
            ticket.expires_at -= age
        db.session.commit()
