"""Quotas: a user fills the disk, and nobody can write any more.

The rate limit of 60 rows a minute allows 4.7 GiB a day. Each account's row counts what the account
stores, in the same transaction, so simultaneous writes cannot pass the limit together.
:mod:`app.resources` calls :func:`charge` for each row that it writes. ASVS 2.4.1.
"""

from __future__ import annotations

from flask import abort
from sqlalchemy import ColumnElement, case, select, update
from werkzeug.exceptions import Forbidden

from app.auth.models import User
from app.database import db
from app.database.rows import change
from app.security.logs import security_event

# Enough for two rows a day for seven years, and for the text of the Bible and its HTML. Larger
# numbers fill the disk sooner: 20 sign-ups from one address in an hour can store 200 MiB already.
MAX_ROWS = 5_000
MAX_BYTES = 10 * 1024 * 1024


class QuotaError(Forbidden):
    """403: the account is full."""

    def __init__(self) -> None:
        super().__init__(
            f"Your account is full: it has room for {MAX_ROWS:,} entries and"
            f" {MAX_BYTES // 2**20} MB of text. Delete something first."
        )


def charge(owner: int, *, rows: int = 0, size: int = 0, always: bool = False) -> None:
    """Count a change of what a user stores. The caller commits, or rolls back when this raises.

    The user's row stays locked until then. Charge before you write rows that refer to the user:
    otherwise two requests of one user, or the deletion of the account, can deadlock.

    :param owner: the id of the user.
    :param rows: rows that are added; negative after a deletion.
    :param size: bytes of text that are added, see :func:`size_of`; negative when there are fewer.
    :param always: count it even when there is no room: an operator's command changes the text.
    :raises QuotaError: when the account has no room. Nothing was counted.
    :raises werkzeug.exceptions.Unauthorized: when there is no such account any more.
    """
    statement = update(User).where(User.id == owner)
    if rows > 0:
        statement = statement.where(User.stored_rows <= MAX_ROWS - rows)
    if size > 0 and not always:
        statement = statement.where(User.stored_bytes <= MAX_BYTES - size)
    statement = statement.values(
        stored_rows=_not_negative(User.stored_rows + rows),
        stored_bytes=_not_negative(User.stored_bytes + size),
    )
    if change(statement) == 0:
        if db.session.scalar(select(User.id).where(User.id == owner)) is None:
            abort(401, "Please sign in.")  # another request has just deleted the account
        security_event("excess_quota_exceeded", account=owner)
        raise QuotaError


def size_of(*texts: str) -> int:
    """The bytes that texts take in UTF-8, as every database here stores them."""
    return sum(len(text.encode()) for text in texts)


def _not_negative(count: ColumnElement[int]) -> ColumnElement[int]:
    # During an update from a version without quotas, the old version stored rows without counting.
    return case((count < 0, 0), else_=count)
