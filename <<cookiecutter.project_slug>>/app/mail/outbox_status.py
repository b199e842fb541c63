"""The status of the outbox: how many mails wait and since when, and which of them fail."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, select

from app.database import db, now
from app.mail.models import Mail

STUCK = timedelta(minutes=15)  # a mail that waits for longer is reported by /readyz
SHOWN = 20  # mails that `flask mail status` lists


def summary() -> dict[str, tuple[int, datetime]]:
    """For each state, how many mails there are and when the oldest was written."""
    rows = db.session.execute(
        select(Mail.state, func.count(), func.min(Mail.created_at)).group_by(Mail.state)
    )
    return {state: (count, oldest) for state, count, oldest in rows}


def troubled() -> Sequence[Mail]:
    """The mails whose last attempt failed, the oldest first: :data:`SHOWN` at most."""
    troubled = select(Mail).where(Mail.state != "sent", Mail.error != "").order_by(Mail.id)
    return db.session.scalars(troubled.limit(SHOWN)).all()


def waiting() -> tuple[int, datetime | None]:
    """How many mails wait, and when the oldest of them was written."""
    count, oldest = db.session.execute(
        select(func.count(), func.min(Mail.created_at)).where(Mail.state == "waiting")
    ).one()
    return count, oldest


def is_stuck() -> bool:
    """Whether a mail waits for longer than :data:`STUCK`."""
    old = select(Mail.id).where(Mail.state == "waiting", Mail.created_at < now() - STUCK)
    return db.session.scalar(old.limit(1)) is not None
