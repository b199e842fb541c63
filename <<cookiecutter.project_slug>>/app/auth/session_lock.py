"""The lock of a session: a request goes on with a session that has ended, or with another's.

A request finds its session, and then takes its time: it checks a password, or asks a provider.
Meanwhile the owner may end the session of a thief, or a user ends one and somebody else signs in,
whose session gets the same id: SQLite gives that of the newest row again. So whatever a fresh proof
allowed looks for its session once more, by its public id as well, with the account locked.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, select

from app.auth import account_lock
from app.auth.models import Session
from app.database import db

OF_ALL = {"unscoped": "the session of this request, which its token named"}


def lock(session: Session) -> bool:
    """Lock the account until the commit, and whether this session still runs.

    Call it before an action that a fresh proof allowed: the owner may just have ended the session
    of a thief.
    """
    return account_lock.lock(session.user) and as_stored(session) is not None


def as_stored(session: Session) -> Session | None:
    """This session as it is now; None when it has ended. The caller has locked the account."""
    again = select(Session).where(*this(session)).execution_options(populate_existing=True)
    return db.session.scalar(again, execution_options=OF_ALL)


# <% if cookiecutter.auth != "oidc" %>
def roll_back(session: Session) -> None:
    """Undo what this request has written, but keep what it knows of its session.

    Otherwise the row with its id would be read again, which may be another session's by now.
    """
    db.session.expunge(session)
    db.session.rollback()


# <% endif %>
def this(session: Session) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """The row of a session, and of no other that has got its id since."""
    return Session.id == session.id, Session.public_id == session.public_id
