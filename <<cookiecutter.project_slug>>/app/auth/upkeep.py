"""Upkeep: pages that only read must not fail because the database cannot write.

A request that only reads also writes: the time a session was last seen, and the end of an expired
session. On a full disk, or after a failover to a read-only server, that write fails and the request
continues.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any, cast

from sqlalchemy import CursorResult, Delete, Update, delete, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import InstrumentedAttribute

from app.database import db

CLEAN_UP = 100  # expired rows that one request deletes at most
# Why this may write in a GET request, and the rows of others.
REASONS = {
    "writes": "the time a session was last seen, or its end by expiry",
    "unscoped": "the request is not signed in yet: its session is being found",
}
EXPIRED = {"unscoped": "expired rows of all users"}

log = logging.getLogger("app.upkeep")


def attempt(statement: Update | Delete) -> int | None:
    """Execute and commit a statement that the request can do without.

    :returns: how many rows changed; None when the database refused, which is logged.
    """
    # Return the connection first: requests that hold one and wait for a second would block each
    # other.
    db.session.commit()
    try:
        with db.engine.begin() as connection:
            statement = statement.execution_options(**REASONS)
            return cast(CursorResult[Any], connection.execute(statement)).rowcount
    except (DBAPIError, PoolTimeout) as error:
        log.warning("upkeep failed", extra={"reason": str(getattr(error, "orig", None) or error)})
        return None


def delete_expired(model: Any, time: InstrumentedAttribute[datetime], before: datetime) -> None:
    """Delete rows of all users whose ``time`` is before ``before``, the oldest first.

    Call it in a request that writes anyway. The caller commits. To avoid deadlocks, rows that
    another request has locked are skipped, and each row is deleted by its key: a database may lock
    every row that a DELETE examines, and examine the whole table for a list of keys.
    """
    expired = select(model.id).where(time < before).order_by(time).limit(CLEAN_UP)
    expired = expired.with_for_update(skip_locked=True)
    for key in db.session.scalars(expired, execution_options=EXPIRED).all():
        db.session.execute(delete(model).where(model.id == key), execution_options=EXPIRED)
