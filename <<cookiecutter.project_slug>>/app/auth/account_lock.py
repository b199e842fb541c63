"""The lock of an account: two requests change it at the same time, and each undoes the other.

An attacker signs in with a password while the owner changes it, and keeps the session. So whatever
changes an account, or decides by what it read of one, locks the account's row first and reads it
again. All lock this row before any other: otherwise two requests could wait for each other forever.
"""

from __future__ import annotations

from sqlalchemy import Update, update

from app.auth.models import Decoy, User
from app.database import db
from app.database.rows import change


def lock(user: User) -> bool:
    """Lock the row of an account until the commit, and read it again.

    A sign-in, a password change or a disabling at the same time waits.

    :returns: False when another request has just deleted the account.
    """
    found = change(statement(User, user.id)) > 0
    if found:
        db.session.refresh(user)
    return found


def statement(model: type[User | Decoy], key: int) -> Update:
    """The UPDATE that locks a row and changes nothing: SQLite has no other lock."""
    return update(model).where(model.id == key).values(failures=model.failures)
