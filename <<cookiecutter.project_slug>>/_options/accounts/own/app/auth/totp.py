"""Authenticator apps: an attacker who has the password replays a code, or reads the secret.

A code (:mod:`app.auth.totp_codes`) works once: the last step that was used is stored, by one
statement, so that of two requests with the same code one succeeds. The app and this service share a
secret, which cannot be hashed: it is encrypted for this purpose alone. A new secret is used only
after its first code was typed, so that an app that was never set up locks nobody out; then it
replaces the previous one. ASVS 6.5.1, 6.5.8.
"""

from __future__ import annotations

import logging
from datetime import datetime

from sqlalchemy import ForeignKey, String, delete, select, update
from sqlalchemy.orm import Mapped, mapped_column

from app.auth.models import Session, User
from app.auth.totp_codes import new_secret, step_of
from app.database import Base, UTCDateTime, db, now
from app.database.rows import change
from app.secret import Secret
from app.security.encryption import decrypt, encrypt
from app.security.logs import security_event
from app.security.scope import unscoped

PURPOSE = "secret of an authenticator app"  # of the key that encrypts it
# Why statements here concern other users: a user who types a code may not be signed in yet.
OF_ALL = {"unscoped": "the authenticator app of the user who signs in, or whom an operator names"}


class AuthenticatorApp(Base):
    """The app of a user, at most one, and the one that may replace it. Both secrets are encrypted.

    The new one is not used before its first code; until then, the other one is.
    """

    __tablename__ = "authenticator_apps"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), unique=True)
    secret: Mapped[str | None] = mapped_column(String(255))
    new_secret: Mapped[str | None] = mapped_column(String(255))
    # Only this session sees and confirms it: a thief who began knows the secret.
    session_id: Mapped[int | None] = mapped_column(
        ForeignKey("sessions.id", ondelete="SET NULL"), index=True
    )
    last_step: Mapped[int] = mapped_column(default=0)  # no code of this step or before is accepted
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
    secret = new_secret()
    app.new_secret, app.session_id = encrypt(secret, PURPOSE), session.id
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

    Then no code of its step or before is accepted: of two requests, one gets True.
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
    """Delete an app that waits for its first code: a thief may have begun it.

    The caller commits.
    """
    theirs = AuthenticatorApp.user_id == user.id
    change(update(AuthenticatorApp).where(theirs).values(new_secret=None), OF_ALL)
    change(delete(AuthenticatorApp).where(theirs, AuthenticatorApp.secret.is_(None)), OF_ALL)


def _step(stored: str | None, code: Secret) -> int | None:
    secret = _readable(stored)
    return step_of(secret, code) if secret else None


def _readable(stored: str | None) -> Secret | None:
    """The secret; None also when its key is lost, so that recovery codes still work."""
    try:
        return decrypt(stored, PURPOSE) if stored else None
    except ValueError:
        security_event("crypt_decrypt_fail", level=logging.ERROR, of=PURPOSE)
        return None
