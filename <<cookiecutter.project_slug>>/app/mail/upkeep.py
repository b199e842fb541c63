"""What the operator sees and does in the outbox, and the deletion of old rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select, update

from app.database import db, now
from app.database.rows import change
from app.mail.models import Mail

STUCK = timedelta(minutes=15)  # a mail that waits for longer is reported by /readyz
SHOWN = 20  # mails that `flask mail status` lists


def retry() -> int:
    """Make every mail due whose last attempt failed, also what was given up, and commit.

    A mail that is being sent has no error: it is left alone, or it would be sent twice.

    :returns: how many there are.
    """
    again = update(Mail).where(Mail.state != "sent", Mail.error != "")
    again = again.values(state="waiting", due_at=now())
    count = change(again)
    db.session.commit()
    return count


def delete_old() -> None:
    """Delete rows that nobody needs any more, and commit."""
    over = Mail.state.in_(["sent", "given up"])  # and not "!=", which no index answers
    db.session.execute(delete(Mail).where(over, Mail.due_at <= now()))
    db.session.commit()


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
