"""The links that concern one account: they end when their purpose ends, and with the account.

The attack: a link in a mailbox still works after a change of the password, or after the account was
deleted and opened again. ASVS 6.4.3.
"""

from __future__ import annotations

from sqlalchemy import delete, select, update
from sqlalchemy.sql.elements import ColumnElement

from app.auth import account_lock, links
from app.auth.links import LIFETIMES, OF_ALL, Link, Purpose, row_hash
from app.auth.models import User
from app.database import db, now
from app.database.rows import change
from app.secret import Secret


def end(user: User, purpose: Purpose, *, after: int = 0) -> None:
    """End the links for a purpose that change this account. The caller commits.

    :param after: only those whose row is newer than the one with this id.
    """
    theirs = Link.user_id == user.id, Link.purpose == purpose, Link.id > after
    change(update(Link).where(*theirs).values(token_hash=None), OF_ALL)


def use(purpose: Purpose, token: Secret) -> User | None:
    """The account whose owner has opened this link, once; locked until the commit.

    None when the link is not valid (any more), or went to an address that the account had before.
    The caller commits, together with what the link was for.
    """
    link = links.find(purpose, token)
    user = db.session.get(User, link.user_id) if link and link.user_id else None
    if link is None or user is None or not account_lock.lock(user):
        return None
    return user if user.email == link.email and links.use(link) else None


def undoable(user: User) -> set[Secret]:
    """The former addresses whose owner can still undo a change of address."""
    theirs = select(Link.email).where(
        Link.user_id == user.id,
        Link.purpose == "undo",
        Link.token_hash.is_not(None),
        Link.expires_at > now(),
    )
    return set(db.session.scalars(theirs, execution_options=OF_ALL))


def of(user: User) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Which links are about this account: those that name it, and those to its address.

    A link for a sign-up or a new password names no account. Each condition has its index.
    """
    hashes = [row_hash(purpose, user.email) for purpose in LIFETIMES]
    return Link.user_id == user.id, Link.name_hash.in_(hashes)


def delete_all(user: User) -> None:
    """Delete all links to the address of this account, and those for it to others."""
    for theirs in of(user):
        change(delete(Link).where(theirs), OF_ALL)
