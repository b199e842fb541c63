"""Quotas: somebody with an account fills the disk, and nobody can write any more.

60 notes a minute (:mod:`app.security.rate_limits`) are 4.7 GiB a day. What an account keeps is
counted in its own row, in the transaction that stores it: of writes at the same time, none passes
the limit. A feature calls :func:`charge` whenever it stores, changes or deletes rows of a user.
ASVS 2.4.1.
"""

from __future__ import annotations

from typing import Any, cast

from sqlalchemy import ColumnElement, CursorResult, case, update
from werkzeug.exceptions import Forbidden

from app.auth.models import User
from app.database import db
from app.security.logs import security_event

# Ours. 5,000 notes are two a day for seven years; 10 MiB of text are twice the Bible. An hour of
# sign-ups from one address (20) can then store 200 MiB: watch the disk all the same.
MAX_ROWS = 5_000
MAX_BYTES = 10 * 1024 * 1024


class QuotaError(Forbidden):
    """403: the account is full. The message says what to do."""

    def __init__(self) -> None:
        super().__init__(
            f"Your account is full: it has room for {MAX_ROWS:,} entries and"
            f" {MAX_BYTES // 2**20} MB of text. Delete something first."
        )


def charge(owner: int, *, rows: int = 0, size: int = 0) -> None:
    """Count a change of what a user keeps. The caller commits, or rolls back when this raises.

    It locks the user's row until then. Whoever adds rows that refer to the user charges before it
    adds them: on MySQL, two requests of one user would otherwise wait for each other.

    :param owner: the id of the user.
    :param rows: how many more there are; negative after a deletion.
    :param size: how many more bytes of text, see :func:`size_of`; negative when it got less.
    :raises QuotaError: when the account has no room for that. Nothing was counted.
    """
    statement = update(User).where(User.id == owner)
    if rows > 0:
        statement = statement.where(User.stored_rows <= MAX_ROWS - rows)
    if size > 0:
        statement = statement.where(User.stored_bytes <= MAX_BYTES - size)
    statement = statement.values(
        stored_rows=_not_negative(User.stored_rows + rows),
        stored_bytes=_not_negative(User.stored_bytes + size),
    )
    counted = db.session.execute(statement, execution_options={"synchronize_session": False})
    if cast(CursorResult[Any], counted).rowcount == 0:
        security_event("excess_quota_exceeded", account=owner)
        raise QuotaError


def size_of(*texts: str) -> int:
    """The bytes that texts take in UTF-8, as every database here stores them."""
    return sum(len(text.encode()) for text in texts)


def _not_negative(count: ColumnElement[int]) -> ColumnElement[int]:
    # Rows that a version before this one has stored while both ran were not counted.
    return case((count < 0, 0), else_=count)
