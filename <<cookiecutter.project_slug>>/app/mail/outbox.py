"""The outbox: mails wait here until a mail server has accepted them. OWASP ASVS 6.3.7, 14.2.4.

Each mail is sent at least once; twice only when the process, its database or the connection ends
between the server's answer and the note of it. The Message-ID stays the same, so that a mailbox may
drop the second.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from email.utils import make_msgid
from typing import Any, cast

from flask import current_app, render_template
from sqlalchemy import CursorResult, delete, func, select, update
from sqlalchemy.orm.exc import StaleDataError

from app.database import db, now
from app.mail.models import Mail
from app.security.encryption import decrypt, encrypt
from app.security.logs import security_event

PURPOSE = "mail in the outbox"  # of the key that encrypts it
# Another sender takes a mail over when its sender has not finished by then: it has ended. Longer
# than a mail server may take, see app.mail.transport.
LEASE = timedelta(minutes=15)
FIRST_RETRY = timedelta(minutes=1)  # after the first failure; doubled after each further one
LAST_RETRY = timedelta(hours=4)  # the longest pause
# RFC 5321 section 4.5.4.1: give up after at least 4 to 5 days. Ours is shorter: what these mails
# are about does not last longer.
GIVE_UP = timedelta(days=3)
KEEP_SENT = timedelta(days=1)  # the row, without its content: for the operator's questions
KEEP_GIVEN_UP = timedelta(days=7)  # with its content: flask mail retry can still send it
STUCK = timedelta(minutes=15)  # a mail that waits for longer is reported by /readyz
MAX_ERROR = 200  # characters kept of an error


def add(kind: str, recipient: str, values: Mapping[str, object], *, deliver: bool = True) -> None:
    """Write a mail to ``recipient`` from the template ``mail/<kind>.txt``. The caller commits.

    :param values: for the template, whose first line is the subject. What a stranger has typed does
        not belong there: the mail would carry it in our name.
    :param deliver: False for a mail that is only written, so that the time does not tell whether
        there was something to send.
    """
    domain = current_app.config["SETTINGS"].mail.domain
    content = render_template(f"mail/{kind}.txt", domain=domain, when=now(), **values)
    mail = Mail(
        kind=kind,
        recipient=recipient,
        content=encrypt(content, PURPOSE),
        message_id=make_msgid(domain=domain),
    )
    if not deliver:
        mail.state, mail.content, mail.due_at = "sent", "", now() + KEEP_SENT
    db.session.add(mail)
    db.session.flush()


def claim() -> Mail | None:
    """Take the mail that is due for the longest time, and commit; None when there is none.

    A mail that another sender is about to take is passed over. Until :data:`LEASE` is over, nobody
    else takes it.
    """
    due = select(Mail).where(Mail.state == "waiting", Mail.due_at <= now())
    due = due.order_by(Mail.due_at, Mail.id).limit(1).with_for_update(skip_locked=True)
    mail = db.session.scalar(due)
    if mail is None:
        db.session.rollback()
        return None
    taken = (
        update(Mail)
        .where(Mail.id == mail.id, Mail.state == "waiting", Mail.due_at == mail.due_at)
        .values(due_at=now() + LEASE, attempts=Mail.attempts + 1)
        .execution_options(synchronize_session=False)
    )
    # SQLite has no row locks: of two senders that have read the same row, one changes it.
    won = cast(CursorResult[Any], db.session.execute(taken)).rowcount
    db.session.commit()
    return db.session.get(Mail, mail.id, populate_existing=True) if won else None


def content(mail: Mail) -> tuple[str, str]:
    """The subject and the text of a mail that was not sent yet.

    :raises ValueError: when no key of the service decrypts it.
    """
    subject, _, text = decrypt(mail.content, PURPOSE).partition("\n")
    return subject, text.lstrip("\n")


def sent(mail: Mail) -> None:
    """Note that a mail server has accepted the mail, and commit."""
    mail.state, mail.content, mail.error = "sent", "", ""
    mail.due_at = now() + KEEP_SENT
    _commit_note()


def failed(mail: Mail, error: str) -> None:
    """Note that an attempt failed, and when the next one follows, if any. Commits."""
    mail.error = "".join(c if c.isprintable() else " " for c in error)[:MAX_ERROR]
    if now() - mail.created_at >= GIVE_UP:
        mail.state, mail.due_at = "given up", now() + KEEP_GIVEN_UP
        security_event("mail_given_up", level=logging.ERROR, mail=mail.id, kind=mail.kind)
    else:
        mail.due_at = now() + min(FIRST_RETRY * 2 ** min(mail.attempts - 1, 16), LAST_RETRY)
    _commit_note()


def _commit_note() -> None:
    """Commit what was noted of a mail, if it was not deleted with its account meanwhile."""
    try:
        db.session.commit()
    except StaleDataError:
        db.session.rollback()


def retry() -> int:
    """Make every mail due that waits or was given up, and commit.

    :returns: how many there are.
    """
    again = update(Mail).where(Mail.state != "sent").values(state="waiting", due_at=now())
    count = cast(CursorResult[Any], db.session.execute(again)).rowcount
    db.session.commit()
    return count


def delete_old() -> None:
    """Delete rows that nobody needs any more, and commit."""
    db.session.execute(delete(Mail).where(Mail.state != "waiting", Mail.due_at <= now()))
    db.session.commit()


def summary() -> dict[str, tuple[int, datetime]]:
    """For each state, how many mails there are and when the oldest was written."""
    rows = db.session.execute(
        select(Mail.state, func.count(), func.min(Mail.created_at)).group_by(Mail.state)
    )
    return {state: (count, oldest) for state, count, oldest in rows}


def troubled() -> Sequence[Mail]:
    """The mails whose last attempt failed, the oldest first: twenty at most."""
    troubled = select(Mail).where(Mail.state != "sent", Mail.error != "").order_by(Mail.id)
    return db.session.scalars(troubled.limit(20)).all()


def is_stuck() -> bool:
    """Whether a mail waits for longer than :data:`STUCK`."""
    old = select(Mail.id).where(Mail.state == "waiting", Mail.created_at < now() - STUCK)
    return db.session.scalar(old.limit(1)) is not None
