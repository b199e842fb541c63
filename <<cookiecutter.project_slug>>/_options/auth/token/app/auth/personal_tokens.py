"""Personal access tokens: a script that has the password of its user leaks all of the account.

A script gets a token of its own, with a name, for reading or for writing, that expires after a year
at most. :mod:`app.auth.token_access` says what it may do, :mod:`app.auth.token_form` how it looks.
The database has only the SHA-256 of its random characters: an attacker who reads a backup cannot
use it. The owner sees the last use and can revoke each token; a new password, and everything else
that ends all sessions, revokes all of them. A mail reports each new one. ASVS 7.2.2, 7.4.1, 6.3.7,
10.4.9.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import ForeignKey, String, bindparam, delete, select, update
from sqlalchemy.orm import Mapped, mapped_column, relationship
from sqlalchemy.orm.attributes import set_committed_value
from werkzeug.exceptions import Conflict

from app.auth import best_effort, expiry, notices, token_form
from app.auth.models import User
from app.database import Base, PublicId, UTCDateTime, db, new_public_id, now
from app.database.rows import change
from app.secret import Secret, hash_secret
from app.security.logs import security_event

Scope = Literal["read", "write"]

MAX_TOKENS = 20  # per account, with those that have ended: one answer lists all
MAX_NAME = 60  # characters
DEFAULT_DAYS = 90  # the longest that GitHub offers in its list; a forgotten token works as long
MAX_DAYS = 365  # GitLab's limit
KEEP = timedelta(days=30)  # after its end: its owner sees why a script has stopped
TOUCH_EVERY = timedelta(minutes=5)  # precision of "last used"; a script asks more than a person
# Why statements here concern other users: nobody is signed in before the token is found, and
# operators end the tokens of any user with the sessions.
OF_ALL = {"unscoped": "the token of the user who is found by it, or whom an operator names"}


class PersonalToken(Base):
    """A token that was not revoked. Only the SHA-256 of its random characters is stored."""

    __tablename__ = "personal_tokens"

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(PublicId, unique=True, default=new_public_id)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(MAX_NAME))
    scopes: Mapped[str] = mapped_column(String(16))  # with a space between two: RFC 6749, 3.3
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)
    last_used_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    user: Mapped[User] = relationship(lazy="joined", innerjoin=True)


# The statement of each request with a token.
FIND = select(PersonalToken).where(PersonalToken.token_hash == bindparam("value"))
FIND = FIND.execution_options(**OF_ALL)


def create(
    user: User, name: str, scopes: Iterable[Scope], lifetime: timedelta
) -> tuple[PersonalToken, Secret]:
    """Make a token and return it with its text, to be shown once.

    The caller has locked the account, and commits.

    :raises Conflict: when the account has :data:`MAX_TOKENS`.
    """
    expiry.delete_expired(PersonalToken, PersonalToken.expires_at, now() - KEEP)
    if len(of_user(user)) >= MAX_TOKENS:
        raise Conflict(f"You have {MAX_TOKENS} tokens. Revoke one that you do not need.")
    drawn, end = Secret(secrets.token_urlsafe(32)), now() + lifetime
    row = PersonalToken(
        user_id=user.id,
        token_hash=hash_secret(drawn),
        name=name,
        scopes=" ".join(sorted(set(scopes))),
        expires_at=end,
    )
    db.session.add(row)
    db.session.flush()
    notices.send("personal_token", user, may=row.scopes.replace(" ", " and "), ends=end)
    security_event("authn_token_created", level=logging.INFO, account=user.id, pat=row.public_id)
    return row, token_form.wrap(drawn)


def find(token: Secret) -> PersonalToken | None:
    """The row of this token, together with its user, in one query; None when it has ended.

    Call this before anything is written: a transaction that has begun is committed.
    """
    drawn = token_form.unwrap(token)
    row = drawn and db.session.scalar(FIND, {"value": hash_secret(drawn)})
    if not row or row.user.disabled_at is not None:
        return None
    seen = now()
    if seen >= row.expires_at:
        security_event("authn_token_expired", account=row.user_id, pat=row.public_id)
        return None
    if row.last_used_at is None or seen - row.last_used_at > TOUCH_EVERY:
        # Not by the id alone: SQLite gives that of the newest row again.
        this = PersonalToken.id == row.id, PersonalToken.token_hash == row.token_hash
        touched = best_effort.write(update(PersonalToken).where(*this).values(last_used_at=seen))
        if touched == 0:
            return None  # another request has just revoked it
        if touched:
            set_committed_value(row, "last_used_at", seen)
    return row


def of_user(user: User) -> list[PersonalToken]:
    """The tokens of any user, the oldest first."""
    theirs = select(PersonalToken).where(PersonalToken.user_id == user.id)
    return list(db.session.scalars(theirs.order_by(PersonalToken.id), execution_options=OF_ALL))


def revoke(row: PersonalToken) -> None:
    """End a token. The caller commits."""
    user, pat = row.user_id, row.public_id
    security_event("authn_token_revoked", level=logging.INFO, account=user, pat=pat)
    change(delete(PersonalToken).where(PersonalToken.id == row.id), OF_ALL)


def end_all(user: User) -> None:
    """End all tokens of any user. The caller commits."""
    for row in of_user(user):
        revoke(row)


def revoke_all() -> None:
    """End all tokens of all users. The caller commits."""
    if ended := change(delete(PersonalToken), OF_ALL):
        security_event("authn_token_revoked", level=logging.INFO, pat="all", count=ended)
