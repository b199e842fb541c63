"""Rows that several requests change at the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from sqlalchemy import CursorResult, Delete, Update
from sqlalchemy.exc import DBAPIError, IntegrityError

from app.database import Base, db
from app.database.driver_errors import is_deadlock

TRIES = 5  # ten requests at once needed two; each further one delays the answer


def change(statement: Update | Delete, options: Mapping[str, Any] | None = None) -> int:
    """Execute an UPDATE or a DELETE. Objects of the session keep the values they have.

    :param options: execution options, such as ``unscoped``.
    :returns: how many rows it found.
    """
    options = {"synchronize_session": False, **(options or {})}
    result = db.session.execute(statement, execution_options=options)
    return cast(CursorResult[Any], result).rowcount


def lock_or_add(
    lock: Update,
    new: Callable[[], Base],
    options: Mapping[str, Any] | None = None,
    *,
    tries: int = TRIES,
) -> None:
    """Lock a row until the commit; add it when there is none.

    See :func:`lock_all_or_add`.

    :param lock: an UPDATE of that row which changes nothing: SQLite has no other lock.
    :param new: makes the row.
    """
    lock_all_or_add([(lock, new)], options, tries=tries)


def lock_all_or_add(
    rows: Iterable[tuple[Update, Callable[[], Base]]],
    options: Mapping[str, Any] | None = None,
    *,
    tries: int = TRIES,
) -> None:
    """Lock rows until the commit, in this order; add those that do not exist.

    Of several requests that add the same row at once, the database refuses all but one, and those
    begin their transaction anew: what was written in it before is lost. MySQL keeps a lock on a
    refused row: two would wait for each other, and one of them is refused once more.

    :param rows: of each the UPDATE that locks it, and what makes it.
    :param tries: 1 where something was written before; then a refusal is raised.
    """
    rows = list(rows)
    for left in reversed(range(tries)):
        try:
            for lock, new in rows:
                if change(lock, options) == 0:
                    db.session.add(new())
                    db.session.flush()
            return
        except DBAPIError as refused:
            db.session.rollback()
            simultaneous = isinstance(refused, IntegrityError) or is_deadlock(refused)
            if not simultaneous or not left:
                raise
