"""Best effort: pages that only read must not fail because the database cannot write.

A request that only reads also writes: the time a session was last seen, and the end of an expired
session. On a full disk, or after a failover to a read-only server, that write fails and the request
continues.
"""

from __future__ import annotations

import logging
from typing import Any, cast

from sqlalchemy import CursorResult, Delete, Update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.database import db

# Why this may write in a GET request, and the rows of others.
REASONS = {
    "writes": "the time a session was last seen, or its end by expiry",
    "unscoped": "the request is not signed in yet: its session is being found",
}

log = logging.getLogger("app.upkeep")


def write(statement: Update | Delete) -> int | None:
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
