"""Deletion of expired rows: sessions, links, tickets and all else whose time is over."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import InstrumentedAttribute

from app.database import db

CLEAN_UP = 100  # expired rows that one request deletes at most
EXPIRED = {"unscoped": "expired rows of all users"}


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
