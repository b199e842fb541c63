"""Upkeep: a database that cannot write takes the pages with it that only read.

A full disk, or a failover to a server that is read-only: "last seen" and sessions that have expired
are written down beside a request that only reads. When that fails, the request goes on.
"""

from __future__ import annotations

import logging
from typing import Any, cast

from sqlalchemy import CursorResult, Delete, Update, delete, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.auth.lifetimes import IDLE_TIMEOUT
from app.auth.models import Session
from app.database import db, now

CLEAN_UP = 100  # expired sessions, of whomever, that a sign-in deletes at most

log = logging.getLogger("app.upkeep")


def attempt(statement: Update | Delete) -> int | None:
    """Carry out a statement that the request can do without, and commit it.

    What was read before stays as it is, whatever happens here.

    :returns: how many rows changed; None when the database refused, which is logged.
    """
    # The connection goes back first: in need of a second one, requests would wait for each other.
    db.session.commit()
    try:
        with db.engine.begin() as connection:
            return cast(CursorResult[Any], connection.execute(statement)).rowcount
    except (DBAPIError, PoolTimeout) as error:
        log.warning("upkeep failed", extra={"reason": str(getattr(error, "orig", None) or error)})
        return None


def delete_expired() -> None:
    """Delete what has expired, of every user, the longest unseen first: as the index has them.

    A part of each sign-in, which writes in any case. The caller commits.

    What is too old cannot be used any more, so it is idle before long; no second index is needed.

    Two requests that wait for each other are a deadlock. So what another one has locked is left to
    it, and each row is deleted by its key: MySQL locks all that a DELETE looks at, and looks at the
    whole table for a list of keys.
    """
    expired = select(Session.id).where(Session.last_seen_at < now() - IDLE_TIMEOUT)
    mine = expired.order_by(Session.last_seen_at).limit(CLEAN_UP).with_for_update(skip_locked=True)
    for key in db.session.scalars(mine).all():
        db.session.execute(delete(Session).where(Session.id == key))
