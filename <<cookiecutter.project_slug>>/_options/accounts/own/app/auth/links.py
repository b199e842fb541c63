"""Links in mails: whoever opens one has the mailbox of that address.

An attacker guesses them, takes them from a log, uses one twice or for something else, or floods the
mailbox of a stranger. So a link has 256 random bits, of which the database stores the hash; it
counts for one purpose, one address and one use, for a limited time; a newer one ends the older; and
mails to one address have pauses in between that grow. ASVS 6.4.1, 6.4.3, 6.5.1 to 6.5.3.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Literal, cast

from flask import current_app
from sqlalchemy import ColumnElement, CursorResult, ForeignKey, String, delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from app.auth import upkeep
from app.auth.models import MAX_EMAIL, User
from app.auth.sessions import hash_token
from app.database import Base, UTCDateTime, db, now
from app.secret import Secret
from app.security.scope import unscoped

Purpose = Literal["confirm", "invite", "reset", "email", "undo"]

LIFETIMES: dict[Purpose, timedelta] = {
    "confirm": timedelta(hours=24),
    "invite": timedelta(days=7),  # whoever is invited did not wait for it; GitHub has 7 days too
    "reset": timedelta(minutes=30),  # OWASP Forgot Password cheat sheet: short
    "email": timedelta(hours=24),
    "undo": timedelta(days=7),  # until the owner of a stolen account reads the mail
}
# By the setting of this name: the links that open an account.
SIGN_UP: dict[str, tuple[Purpose, ...]] = {
    "open": ("confirm", "invite"),
    "invite": ("invite",),
    "closed": (),
}
# The pause after a mail to one address, doubled after each further one of a day: 16 a day at most,
# and an owner whose mailbox somebody floods gets a new link after two hours at the latest. Ours.
FIRST_PAUSE = timedelta(minutes=5)
LONGEST_PAUSE = timedelta(hours=2)
DAY = timedelta(days=1)
# Why statements here concern other users: whoever opens a link is not signed in.
OF_ALL = {"unscoped": "the link of any user, which its token names"}


class Link(Base):
    """The newest link for one purpose and one address. Its token is stored as a hash alone."""

    __tablename__ = "links"

    id: Mapped[int] = mapped_column(primary_key=True)
    # The hash of purpose, address and user: simultaneous requests meet in one row.
    name_hash: Mapped[str] = mapped_column(String(64), unique=True)
    purpose: Mapped[str] = mapped_column(String(8))
    email: Mapped[str] = mapped_column(String(MAX_EMAIL))
    user_id: Mapped[int | None] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), index=True
    )
    token_hash: Mapped[str | None] = mapped_column(String(64), unique=True)  # None: used or ended
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime)
    mails: Mapped[int] = mapped_column(default=0)  # in a row, with less than a day in between
    mailed_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)


def issue(purpose: Purpose, email: str, user: User | None = None) -> Secret | None:
    """A new link for the mailbox of ``email``; it ends the one before. The caller commits.

    Write nothing before, or lock the account of ``user``: if another request makes the same row at
    the same time, the transaction begins anew.

    :param user: whose account it changes, where the address does not say it.
    :returns: its token; None while the pause after the last mail lasts. Then the one before still
        counts.
    """
    link = _locked(purpose, email, user)
    if now() < link.mailed_at + _pause(link.mails):
        return None
    token = Secret(secrets.token_urlsafe(32))
    link.token_hash = hash_token(token)
    link.expires_at = now() + LIFETIMES[purpose]
    link.mails = 1 if now() - link.mailed_at > DAY else link.mails + 1
    link.mailed_at = now()
    unscoped(link, OF_ALL["unscoped"])
    db.session.flush()
    return token


def shown(purpose: Purpose, token: Secret) -> dict[str, str]:
    """What a mail shows of a link: the address of its page, if there is one, and its code."""
    start = current_app.config["SETTINGS"].mail.links
    link = f"{start}/{purpose}?token={token.reveal()}" if start else ""
    return {"link": link, "code": token.reveal()}


def find(purpose: Purpose, token: str) -> Link | None:
    """The link with this token, if it still counts."""
    query = select(Link).where(
        Link.token_hash == hash_token(Secret(token)),
        Link.purpose.in_(_counting(purpose)),
        Link.expires_at > now(),
    )
    return db.session.scalar(query, execution_options=OF_ALL)


def use(link: Link) -> bool:
    """End a link, and whether it still counted: of two requests, one gets True.

    The caller commits, together with what the link was for.
    """
    statement = (
        update(Link)
        .where(Link.id == link.id, Link.token_hash == link.token_hash, Link.expires_at > now())
        .values(token_hash=None)
        .execution_options(synchronize_session=False, **OF_ALL)
    )
    return cast(CursorResult[Any], db.session.execute(statement)).rowcount == 1


def end(purpose: Purpose, email: str) -> None:
    """End the link to an address for a purpose. The caller commits."""
    _end(Link.name_hash == _name(purpose, email, None))


def end_of(user: User, purpose: Purpose, *, after: int = 0) -> None:
    """End the links for a purpose that change this account. The caller commits.

    :param after: only those whose row is newer than the one with this id.
    """
    _end(Link.user_id == user.id, Link.purpose == purpose, Link.id > after)


def _end(*criteria: ColumnElement[bool]) -> None:
    statement = update(Link).where(*criteria).values(token_hash=None)
    db.session.execute(statement.execution_options(synchronize_session=False, **OF_ALL))


def _name(purpose: Purpose, email: str, user: User | None) -> str:
    return sha256(f"{purpose} {user.id if user else None} {email}".encode()).hexdigest()


def addresses_of(user: User) -> set[str]:
    """The addresses of the links that concern the account of ``user``."""
    theirs = select(Link.email).where(Link.user_id == user.id)
    return set(db.session.scalars(theirs, execution_options=OF_ALL))


def undoable(user: User) -> set[str]:
    """The former addresses whose owner can still undo a change of address."""
    theirs = select(Link.email).where(
        Link.user_id == user.id,
        Link.purpose == "undo",
        Link.token_hash.is_not(None),
        Link.expires_at > now(),
    )
    return set(db.session.scalars(theirs, execution_options=OF_ALL))


def delete_of(user: User) -> None:
    """Delete all links to the address of ``user``, and those for this account to others."""
    names = [_name(purpose, user.email, None) for purpose in LIFETIMES]
    for theirs in (Link.user_id == user.id, Link.name_hash.in_(names)):  # each has its index
        statement = delete(Link).where(theirs)
        statement = statement.execution_options(synchronize_session=False, **OF_ALL)
        db.session.execute(statement)


def _counting(purpose: Purpose) -> tuple[Purpose, ...]:
    """Which links count for a purpose: to open an account, those that ``SIGN_UP`` allows."""
    if purpose != "confirm":
        return (purpose,)
    return SIGN_UP[current_app.config["SETTINGS"].sign_up]


def _pause(mails: int) -> timedelta:
    """How long no further mail is sent after so many in a row."""
    if mails == 0:
        return timedelta(0)
    return min(FIRST_PAUSE * int(2 ** min(mails - 1, 10)), LONGEST_PAUSE)


def _locked(purpose: Purpose, email: str, user: User | None) -> Link:
    """The row for this purpose and address, locked until the commit; made when there is none."""
    name = _name(purpose, email, user)
    # By a write that changes nothing: SQLite has no other lock.
    lock = update(Link).where(Link.name_hash == name).values(mails=Link.mails)
    lock = lock.execution_options(synchronize_session=False, **OF_ALL)
    if not cast(CursorResult[Any], db.session.execute(lock)).rowcount:
        upkeep.delete_expired(Link, Link.mailed_at, now() - LIFETIMES["undo"])
        never = now() - DAY
        link = Link(name_hash=name, purpose=purpose, email=email, user_id=user and user.id)
        link.expires_at = link.mailed_at = never
        link.mails = 0
        db.session.add(unscoped(link, OF_ALL["unscoped"]))
        try:
            db.session.flush()
        except IntegrityError:  # another request made it at the same time
            # All of it: of the refused row, MySQL keeps a lock, and two would wait for each other.
            db.session.rollback()
            db.session.execute(lock)
    query = select(Link).where(Link.name_hash == name)
    options = {**OF_ALL, "populate_existing": True}
    return db.session.execute(query, execution_options=options).scalar_one()
