"""Tickets: a step that has begun and is not finished, such as a sign-in before its second factor.

An attacker who has the password skips the second step, tries it without end, or replays the answer
of a passkey. So between two steps there is no session, only a ticket: 256 random bits that this
browser or client alone has, of which the database stores the hash. It is valid for one purpose, one
user, one session, five minutes and one use; each try is counted before it is checked. A challenge
for a passkey belongs to a ticket and is valid for one answer. A new password ends the tickets of
the account. OWASP Multifactor Authentication cheat sheet; ASVS 6.5.1, 6.5.5, 6.6.2.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import ColumnElement, ForeignKey, String, delete, select, update
from sqlalchemy.orm import Mapped, mapped_column

from app.auth import expiry
from app.auth.models import Session, User
from app.database import Base, UTCDateTime, db, now
from app.database.rows import change
from app.secret import Secret, hash_secret
from app.security.scope import unscoped

# A second factor after the password; a passkey in place of it; a new passkey; a fresh proof.
Purpose = Literal["second factor", "passkey", "new passkey", "step-up"]

LIFETIME = timedelta(minutes=5)  # the timeout that WebAuthn level 3 section 15.1 recommends
MAX_TRIES = 5  # wrong answers, then the password is asked for again: some are typing errors
# Why statements here concern other users: between two steps nobody is signed in yet.
OF_ALL = {"unscoped": "the ticket of any user, which its token names"}


class Ticket(Base):
    """A step that has begun. Its token is stored as a hash alone."""

    __tablename__ = "tickets"

    id: Mapped[int] = mapped_column(primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    purpose: Mapped[Purpose] = mapped_column(String(16))
    # None for a sign-in by a passkey alone: the passkey names its user.
    user_id: Mapped[int | None] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), index=True
    )
    session_id: Mapped[int | None] = mapped_column(
        ForeignKey("sessions.id", ondelete="CASCADE"), index=True
    )
    challenge: Mapped[str | None] = mapped_column(String(64))  # base64url; None: used, or none yet
    tries: Mapped[int] = mapped_column(default=0)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)


def issue(
    purpose: Purpose, user: User | None = None, session: Session | None = None
) -> tuple[Ticket, Secret]:
    """A new ticket and its token, which is for the client alone. The caller commits.

    :param session: the only session for which it is valid.
    """
    expiry.delete_expired(Ticket, Ticket.expires_at, now())
    token = Secret(secrets.token_urlsafe(32))
    ticket = Ticket(
        token_hash=hash_secret(token),
        purpose=purpose,
        user_id=user and user.id,
        session_id=session and session.id,
        expires_at=now() + LIFETIME,
    )
    db.session.add(unscoped(ticket, OF_ALL["unscoped"]))
    db.session.flush()
    return ticket, token


def find(purpose: Purpose, token: Secret, session: Session | None = None) -> Ticket | None:
    """The ticket with this token, if it is still valid for this purpose and this session."""
    query = select(Ticket).where(
        Ticket.token_hash == hash_secret(token),
        Ticket.purpose == purpose,
        Ticket.session_id == (session.id if session else None),
        Ticket.tries < MAX_TRIES,
        Ticket.expires_at > now(),
    )
    return db.session.scalar(query, execution_options=OF_ALL)


def count_try(ticket: Ticket) -> bool:
    """Count a try before it is checked, and commit; False when no further one is allowed.

    Of many tries at the same time, :data:`MAX_TRIES` get True.
    """
    this = *_this(ticket), Ticket.tries < MAX_TRIES, Ticket.expires_at > now()
    counted = change(update(Ticket).where(*this).values(tries=Ticket.tries + 1), OF_ALL)
    db.session.commit()
    return counted == 1


def new_challenge(ticket: Ticket) -> str:
    """A challenge for a passkey, in base64url; it replaces the one before. The caller commits."""
    challenge = secrets.token_urlsafe(32)  # WebAuthn level 3 section 13.4.3: 16 bytes or more
    this = update(Ticket).where(*_this(ticket)).values(challenge=challenge)
    change(this, OF_ALL)
    return challenge


def use_challenge(ticket: Ticket) -> str | None:
    """The challenge of a ticket, for one answer, and commit; None when it was used before.

    Of several answers at the same time, one gets it.
    """
    challenge = ticket.challenge
    this = *_this(ticket), Ticket.challenge == challenge
    used = challenge and change(update(Ticket).where(*this).values(challenge=None), OF_ALL) == 1
    db.session.commit()
    return challenge if used else None


def use(ticket: Ticket) -> bool:
    """End a ticket; True if it was still valid. Of two requests at once, one gets True.

    The caller commits, together with what the ticket was for.
    """
    this = *_this(ticket), Ticket.expires_at > now()
    return change(delete(Ticket).where(*this), OF_ALL) == 1


def exists(ticket: Ticket) -> bool:
    """Whether a ticket still exists. Ask after you have locked its account."""
    this = select(Ticket.id).where(*_this(ticket))
    return db.session.scalar(this, execution_options=OF_ALL) is not None


def revoke_all() -> None:
    """End the tickets of all users. The caller commits."""
    change(delete(Ticket), OF_ALL)


def end_all(user: User) -> None:
    """End all tickets of any user. The caller commits."""
    change(delete(Ticket).where(Ticket.user_id == user.id), OF_ALL)


def _this(ticket: Ticket) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """The row of a ticket. Not by the id alone: SQLite gives that of the newest row again."""
    return Ticket.id == ticket.id, Ticket.token_hash == ticket.token_hash
