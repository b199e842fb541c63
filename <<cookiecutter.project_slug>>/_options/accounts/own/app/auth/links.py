"""Links in mails: whoever opens one has the mailbox of that address.

An attacker guesses them, takes them from a log, uses one twice or for something else, or floods the
mailbox of a stranger. So a link has 256 random bits, of which the database stores the hash; it
counts for one purpose, one address and one use, for a limited time; a newer one ends the older; and
mails to one address have pauses in between that grow. ASVS 6.4.1, 6.4.3, 6.5.1 to 6.5.3.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256
from typing import Literal

from flask import current_app
from sqlalchemy import ForeignKey, String, select, update
from sqlalchemy.orm import Mapped, mapped_column

from app.auth import upkeep
from app.auth.models import MAX_EMAIL, User
from app.backoff import backoff
from app.database import Base, UTCDateTime, db, now
from app.database.rows import TRIES, change, lock_or_add
from app.secret import Secret, hash_secret
from app.security.scope import unscoped

Purpose = Literal["confirm", "invite", "reset", "email", "undo", "unlock", "keep"]

LIFETIMES: dict[Purpose, timedelta] = {
    "confirm": timedelta(hours=24),
    "invite": timedelta(days=7),  # whoever is invited did not wait for it; GitHub has 7 days too
    "reset": timedelta(minutes=30),  # OWASP Forgot Password cheat sheet: short
    "email": timedelta(hours=24),
    "undo": timedelta(days=7),  # until the owner of a stolen account reads the mail
    "unlock": timedelta(days=7),  # the same: somebody else chose the moment. See app.auth.lock
    "keep": timedelta(days=7),  # more than the delay of app.auth.factor_resets
}
# By the setting of this name: the links that open an account.
SIGN_UP: dict[str, tuple[Purpose, ...]] = {
    "open": ("confirm", "invite"),
    "invite": ("invite",),
    "closed": (),
}
# The pause after a mail to one address, doubled after each further one of a day, but no longer than
# a link counts: 16 a day at most, of short links to reset 50. So an owner whose mailbox somebody
# floods always has a link, or can ask for one. Ours.
FIRST_PAUSE = timedelta(minutes=5)
LONGEST_PAUSE = timedelta(hours=2)
DAY = timedelta(days=1)
# Why statements here concern other users: whoever opens a link is not signed in.
OF_ALL = {"unscoped": "the link of any user, which its token names"}


class Link(Base):
    """The newest link for one purpose and one address. Its token is stored as a hash alone."""

    __tablename__ = "links"

    id: Mapped[int] = mapped_column(primary_key=True)
    name_hash: Mapped[str] = mapped_column(String(64), unique=True)  # see name()
    purpose: Mapped[Purpose] = mapped_column(String(8))
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

    :param user: whose account it changes, where the address does not say it; its row is locked.
        Without one, write nothing before: see :func:`app.database.rows.lock_or_add`.
    :returns: its token; None while the pause after the last mail lasts. Then the one before still
        counts.
    """
    link = _locked(purpose, email, user)
    longest = min(LONGEST_PAUSE, LIFETIMES[purpose])
    pause = backoff(FIRST_PAUSE, link.mails - 1, longest)
    if now() < link.mailed_at + pause:  # never of a new row: its last mail is a day ago
        return None
    return _renewed(link)


def issue_at_once(purpose: Purpose, email: str, user: User | None = None) -> Secret:
    """The same without a pause: for an operator, or where something else limits the mails.

    A thief who asks again and again would begin the pause anew. The caller commits; without
    ``user``, it writes nothing before.
    """
    return _renewed(_locked(purpose, email, user))


def _renewed(link: Link) -> Secret:
    token = Secret(secrets.token_urlsafe(32))
    link.token_hash = hash_secret(token)
    link.expires_at = now() + LIFETIMES[link.purpose]
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


def find(purpose: Purpose, token: Secret) -> Link | None:
    """The link with this token, if it still counts."""
    query = select(Link).where(
        Link.token_hash == hash_secret(token),
        Link.purpose.in_(_counting(purpose)),
        Link.expires_at > now(),
    )
    return db.session.scalar(query, execution_options=OF_ALL)


def use(link: Link) -> bool:
    """End a link, and whether it still counted: of two requests, one gets True.

    The caller commits, together with what the link was for.
    """
    counts = Link.id == link.id, Link.token_hash == link.token_hash, Link.expires_at > now()
    return change(update(Link).where(*counts).values(token_hash=None), OF_ALL) == 1


def end(purpose: Purpose, email: str) -> None:
    """End the link to an address for a purpose. The caller commits."""
    ended = update(Link).where(Link.name_hash == name(purpose, email)).values(token_hash=None)
    change(ended, OF_ALL)


def name(purpose: Purpose, email: str, user: User | None = None) -> str:
    """The hash of purpose, address and user: simultaneous requests meet in one row."""
    return sha256(f"{purpose} {user.id if user else None} {email}".encode()).hexdigest()


def _counting(purpose: Purpose) -> tuple[Purpose, ...]:
    """Which links count for a purpose: to open an account, those that ``SIGN_UP`` allows."""
    if purpose != "confirm":
        return (purpose,)
    return SIGN_UP[current_app.config["SETTINGS"].sign_up]


def _locked(purpose: Purpose, email: str, user: User | None) -> Link:
    """The row for this purpose and address, locked until the commit; made when there is none."""
    this = Link.name_hash == name(purpose, email, user)
    lock = update(Link).where(this).values(mails=Link.mails)
    new = partial(_new, purpose, email, user)
    lock_or_add(lock, new, OF_ALL, tries=1 if user else TRIES)
    options = {**OF_ALL, "populate_existing": True}
    return db.session.execute(select(Link).where(this), execution_options=options).scalar_one()


def _new(purpose: Purpose, email: str, user: User | None) -> Link:
    upkeep.delete_expired(Link, Link.mailed_at, now() - LIFETIMES["undo"])
    link = Link(
        name_hash=name(purpose, email, user),
        purpose=purpose,
        email=email,
        user_id=user and user.id,
        mails=0,
    )
    link.expires_at = link.mailed_at = now() - DAY
    return unscoped(link, OF_ALL["unscoped"])
