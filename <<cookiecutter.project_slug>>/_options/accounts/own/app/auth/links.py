"""Links in mails: whoever opens one has the mailbox of that address.

An attacker guesses one, takes it from a log, or uses it twice or for something else. So a link has
256 random bits, of which the database stores the hash. It is valid for one purpose, one address and
one use, for a limited time, and a newer one ends the older: :mod:`app.auth.link_issuance` makes it.
ASVS 6.4.1, 6.4.3, 6.5.1 to 6.5.3.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import sha256
from typing import Literal

from flask import current_app
from sqlalchemy import ForeignKey, String, select, update
from sqlalchemy.orm import Mapped, mapped_column

from app.auth.models import MAX_EMAIL, User
from app.database import Base, UTCDateTime, db, now
from app.database.rows import change
from app.database.secret_string import SecretString
from app.secret import Secret, hash_secret

Purpose = Literal["confirm", "invite", "reset", "email", "undo", "unlock", "keep"]

LIFETIMES: dict[Purpose, timedelta] = {
    "confirm": timedelta(hours=24),
    "invite": timedelta(days=7),  # an invited person does not wait for it; GitHub has 7 days too
    "reset": timedelta(minutes=30),  # OWASP Forgot Password cheat sheet: short
    "email": timedelta(hours=24),
    "undo": timedelta(days=7),  # until the owner of a stolen account reads the mail
    "unlock": timedelta(days=7),  # the same: somebody else chose the moment. See app.auth.lockout
    "keep": timedelta(days=7),  # more than the delay of app.auth.factor_resets
}
# By the setting of this name: the links that open an account.
SIGN_UP: dict[str, tuple[Purpose, ...]] = {
    "open": ("confirm", "invite"),
    "invite": ("invite",),
    "closed": (),
}
# Why statements here concern other users: a user who opens a link is not signed in.
OF_ALL = {"unscoped": "the link of any user, which its token names"}


class Link(Base):
    """The newest link for one purpose and one address. Its token is stored as a hash alone."""

    __tablename__ = "links"

    id: Mapped[int] = mapped_column(primary_key=True)
    name_hash: Mapped[str] = mapped_column(String(64), unique=True)  # see row_hash()
    purpose: Mapped[Purpose] = mapped_column(String(8))
    email: Mapped[Secret] = mapped_column(SecretString(MAX_EMAIL))
    user_id: Mapped[int | None] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), index=True
    )
    token_hash: Mapped[str | None] = mapped_column(String(64), unique=True)  # None: used or ended
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime)
    mails: Mapped[int] = mapped_column(default=0)  # in a row, with less than a day in between
    mailed_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)


def shown(purpose: Purpose, token: Secret) -> dict[str, str]:
    """What a mail shows of a link: the address of its page, if there is one, and its code."""
    start = current_app.config["SETTINGS"].mail.links
    link = f"{start}/{purpose}?token={token.reveal()}" if start else ""
    return {"link": link, "code": token.reveal()}


def find(purpose: Purpose, token: Secret) -> Link | None:
    """The link with this token, if it is still valid."""
    query = select(Link).where(
        Link.token_hash == hash_secret(token),
        Link.purpose.in_(_valid_purposes(purpose)),
        Link.expires_at > now(),
    )
    return db.session.scalar(query, execution_options=OF_ALL)


def use(link: Link) -> bool:
    """End a link, and return whether it was valid: of two requests, one gets True.

    The caller commits, together with what the link was for.
    """
    valid = Link.id == link.id, Link.token_hash == link.token_hash, Link.expires_at > now()
    return change(update(Link).where(*valid).values(token_hash=None), OF_ALL) == 1


def end(purpose: Purpose, email: Secret) -> None:
    """End the link to an address for a purpose. The caller commits."""
    ended = update(Link).where(Link.name_hash == row_hash(purpose, email)).values(token_hash=None)
    change(ended, OF_ALL)


def row_hash(purpose: Purpose, email: Secret, user: User | None = None) -> str:
    """The hash of purpose, address and user: simultaneous requests meet in one row."""
    text = f"{purpose} {user.id if user else None} {email.reveal()}"
    return sha256(text.encode()).hexdigest()


def _valid_purposes(purpose: Purpose) -> tuple[Purpose, ...]:
    """Which links are valid for a purpose: to open an account, those that ``SIGN_UP`` allows."""
    if purpose != "confirm":
        return (purpose,)
    return SIGN_UP[current_app.config["SETTINGS"].sign_up]
