"""Codes of an authenticator app: an attacker who has the password guesses, replays or reads one.

Codes follow RFC 6238: six digits, 30 seconds. One step of difference between the clocks is allowed,
and a code works once: the last step that was used is stored, by one statement, so that of two
requests with the same code one succeeds. The app and this service share a secret of 160 bits, which
cannot be hashed: it is encrypted for this purpose alone. It counts only after a code was typed, so
that nobody is locked out by an app that was never set up; then it replaces one that was before.
ASVS 6.5.1, 6.5.4, 6.5.5, 6.5.8.
"""

from __future__ import annotations

import logging
import time
from datetime import datetime

import pyotp
from flask import current_app
from sqlalchemy import ForeignKey, String, delete, select, update
from sqlalchemy.orm import Mapped, mapped_column

from app.auth.models import Session, User
from app.database import Base, UTCDateTime, db, now
from app.database.rows import change
from app.secret import Secret
from app.security.encryption import decrypt, encrypt
from app.security.logs import security_event
from app.security.scope import unscoped
from app.settings import SERVICE_NAME

PURPOSE = "secret of an authenticator app"  # of the key that encrypts it
DIGITS = 6  # what every app knows; RFC 4226 section 5.3: at least 6
STEP = 30  # seconds, RFC 6238 section 5.2
DRIFT = 1  # steps that the clocks may differ, RFC 6238 section 5.2: at most one
SECRET_LENGTH = 32  # characters in base32: 160 bits, RFC 4226 section 4
# Why statements here concern other users: whoever types a code may not be signed in yet.
OF_ALL = {"unscoped": "the authenticator app of the user who signs in, or whom an operator names"}


class AuthenticatorApp(Base):
    """The app of a user, at most one, and the one that may replace it. Both secrets are encrypted.

    The new one protects nothing before its first code; until then, the other one does.
    """

    __tablename__ = "authenticator_apps"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), unique=True)
    secret: Mapped[str | None] = mapped_column(String(255))
    new_secret: Mapped[str | None] = mapped_column(String(255))
    # Which alone sees and confirms it: a thief who began knows the secret that the owner scans.
    session_id: Mapped[int | None] = mapped_column(
        ForeignKey("sessions.id", ondelete="SET NULL"), index=True
    )
    last_step: Mapped[int] = mapped_column(default=0)  # no code of this step or before counts
    wrong_codes: Mapped[int] = mapped_column(default=0)  # in a row, see app.auth.code_guesses
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    enabled_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


def find(user: User) -> AuthenticatorApp | None:
    """The app of any user, enabled or not."""
    theirs = select(AuthenticatorApp).where(AuthenticatorApp.user_id == user.id)
    options = {**OF_ALL, "populate_existing": True}
    return db.session.scalar(theirs, execution_options=options)


def begin(session: Session) -> Secret:
    """A new secret for the app of the signed-in user, in base32, which :func:`enable` confirms.

    It replaces one that was not confirmed. The caller has locked the account and commits.
    """
    app = find(session.user) or AuthenticatorApp(user_id=session.user_id)
    secret = Secret(pyotp.random_base32(SECRET_LENGTH))
    app.new_secret, app.session_id = encrypt(secret.reveal(), PURPOSE), session.id
    db.session.add(unscoped(app, OF_ALL["unscoped"]))
    db.session.flush()
    return secret


def pending(session: Session) -> Secret | None:
    """The secret that this session has begun and that waits for its first code, in base32."""
    app = find(session.user)
    return _readable(app.new_secret) if app and app.session_id == session.id else None


def enable(session: Session, code: Secret) -> bool:
    """Enable the app that this session has begun, by its first code. The caller commits."""
    app = find(session.user)
    step = _step(app.new_secret, code) if app and app.session_id == session.id else None
    if app is None or step is None:
        return False
    this = AuthenticatorApp.id == app.id, AuthenticatorApp.new_secret == app.new_secret
    enable = update(AuthenticatorApp).where(*this)
    values = {"secret": app.new_secret, "last_step": step, "enabled_at": now(), "wrong_codes": 0}
    return change(enable.values(new_secret=None, **values), OF_ALL) == 1


def verify(user: User, code: Secret) -> bool:
    """Whether ``code`` is one of the enabled app, and not used before. The caller commits.

    Then none of its step or before counts any more: of two requests, one gets True.
    """
    app = find(user)
    step = _step(app.secret, code) if app else None
    if app is None or step is None:
        return False
    unused = AuthenticatorApp.id == app.id, AuthenticatorApp.last_step < step
    return change(update(AuthenticatorApp).where(*unused).values(last_step=step), OF_ALL) == 1


def is_enabled(user: User) -> bool:
    """Whether the account has an app that protects it."""
    app = find(user)
    return app is not None and app.secret is not None


def remove(user: User) -> bool:
    """Remove the app of any user, and whether there was one. The caller commits."""
    theirs = delete(AuthenticatorApp).where(AuthenticatorApp.user_id == user.id)
    return change(theirs, OF_ALL) == 1


def forget_pending(user: User) -> None:
    """Forget an app that waits for its first code: whoever began it may not be the owner.

    The caller commits.
    """
    theirs = AuthenticatorApp.user_id == user.id
    change(update(AuthenticatorApp).where(theirs).values(new_secret=None), OF_ALL)
    change(delete(AuthenticatorApp).where(theirs, AuthenticatorApp.secret.is_(None)), OF_ALL)


def uri(user: User, secret: Secret) -> str:
    """What the QR code says to the app: an ``otpauth`` address with the secret in it."""
    name = f"{SERVICE_NAME} ({current_app.config['SETTINGS'].mail.domain})"
    return _codes(secret).provisioning_uri(name=user.email, issuer_name=name)


def _step(stored: str | None, code: Secret) -> int | None:
    """The step that a code belongs to, when it is one of this secret and counts now."""
    secret = _readable(stored)
    if secret is None:
        return None
    codes, at = _codes(secret), time.time()
    typed = Secret(code.reveal().replace(" ", ""))
    for offset in range(-DRIFT, DRIFT + 1):
        if typed == codes.at(at, counter_offset=offset):
            return int(at) // STEP + offset
    return None


def _readable(stored: str | None) -> Secret | None:
    """The secret; None also when its key is lost, so that recovery codes still count."""
    try:
        return Secret(decrypt(stored, PURPOSE)) if stored else None
    except ValueError:
        security_event("crypt_decrypt_fail", level=logging.ERROR, of=PURPOSE)
        return None


def _codes(secret: Secret) -> pyotp.TOTP:
    return pyotp.TOTP(secret.reveal(), digits=DIGITS, interval=STEP)
