"""The outbox: mails wait here until a mail server has accepted them. OWASP ASVS 6.3.7, 14.2.4.

Each mail is sent at least once. It can arrive twice: after a failure before the answer of the mail
server is recorded, or if that server takes longer than :data:`LEASE`. The Message-ID stays the
same, so that a mailbox may drop the second. No transaction is open during the dialogue with the
mail server, which may take minutes.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import make_msgid

from flask import current_app, render_template
from sqlalchemy import ColumnElement, func, or_, select, update

from app.backoff import backoff
from app.database import db, now
from app.database.rows import change
from app.mail.models import Mail
from app.secret import Secret
from app.security.encryption import decrypt, encrypt
from app.security.logs import security_event

PURPOSE = "mail in the outbox"  # of the key that encrypts it
# After this time another process sends the mail, as if the first one had ended. Hardly any mail
# server takes as long: each of its answers may take a minute, see app.mail.transport.
LEASE = timedelta(minutes=15)
FIRST_RETRY = timedelta(minutes=1)  # after the first failure; doubled after each further one
LONGEST_PAUSE = timedelta(minutes=30)  # between two attempts, RFC 5321 section 4.5.4.1
# RFC 5321 section 4.5.4.1: give up after at least 4 to 5 days. Ours is shorter: what these mails
# are about does not last longer.
GIVE_UP = timedelta(days=3)
KEEP_SENT = timedelta(days=1)  # the row, without its content: for the operator, and may_be_unread
KEEP_GIVEN_UP = timedelta(days=7)  # with its content: flask mail retry can still send it
MAX_ERROR = 200  # characters kept of an error


def add(
    kind: str, recipient: Secret, values: Mapping[str, object], *, deliver: bool = True
) -> None:
    """Write a mail to ``recipient`` from the template ``mail/<kind>.txt``. The caller commits.

    :param values: for the template, whose first line is the subject. Never a text that a stranger
        has typed: the mail would send it in our name.
    :param deliver: False for a mail that is only written, so that the response time does not show
        whether there was something to send.
    """
    domain = current_app.config["SETTINGS"].mail.domain
    content = Secret(render_template(f"mail/{kind}.txt", domain=domain, when=now(), **values))
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


def recent(kind: str, recipient: Secret) -> int:
    """How many mails of this kind were sent or wait for an address, within a day."""
    real = or_(Mail.state != "sent", Mail.attempts > 0)
    within = Mail.created_at > now() - timedelta(days=1)
    mails = select(func.count()).where(Mail.recipient == recipient, Mail.kind == kind, within, real)
    return db.session.scalars(mails).one()


def may_be_unread(kind: str, recipient: Secret, since: datetime) -> bool:
    """Whether a mail of this kind waits, could not be sent, or was sent within :data:`KEEP_SENT`.

    Until then the recipient may not have read it.

    :param since: ignore mails that were written earlier.
    """
    unread = or_(Mail.state != "sent", Mail.due_at > now())
    these = Mail.recipient == recipient, Mail.kind == kind, Mail.created_at >= since
    return db.session.scalar(select(Mail.id).where(*these, unread).limit(1)) is not None


def claim() -> Mail | None:
    """Take the mail that is due for the longest time, and commit; None when there is none.

    A mail that another process is taking is skipped. Until :data:`LEASE` is over, no other process
    takes it. The result belongs to no session: changes of it are not stored.
    """
    due = select(Mail).where(Mail.state == "waiting", Mail.due_at <= now())
    due = due.order_by(Mail.due_at, Mail.id).limit(1).with_for_update(skip_locked=True)
    while mail := db.session.scalar(due):
        db.session.expunge(mail)
        # SQLite has no row locks: of two senders that have read the same row, one changes it.
        taken = _change(mail, Mail.attempts == mail.attempts, due_at=now() + LEASE, error="",
                        attempts=mail.attempts + 1)  # fmt: skip
        if taken:
            mail.attempts += 1
            return mail
    db.session.rollback()
    return None


def content(mail: Mail) -> tuple[str, str]:
    """The subject and the text of a mail that was not sent yet.

    :raises ValueError: when no key of the service decrypts it.
    """
    subject, _, text = decrypt(mail.content, PURPOSE).reveal().partition("\n")
    return subject, text.lstrip("\n")


def sent(mail: Mail) -> None:
    """Record that a mail server has accepted the mail, and commit."""
    _change(mail, state="sent", content="", error="", due_at=now() + KEEP_SENT)


def failed(mail: Mail, error: str, *, final: bool = False) -> None:
    """Record that an attempt failed, and when the next one follows, if any. Commits.

    :param final: that no further attempt makes sense.
    """
    own = Mail.attempts == mail.attempts  # else another sender has taken it over
    text = "".join(c if c.isprintable() else " " for c in error)[:MAX_ERROR]
    if final or now() - mail.created_at >= GIVE_UP:
        if _change(mail, own, state="given up", error=text, due_at=now() + KEEP_GIVEN_UP):
            security_event("mail_given_up", level=logging.ERROR, mail=mail.id, kind=mail.kind)
    else:
        pause = backoff(FIRST_RETRY, mail.attempts - 1, LONGEST_PAUSE)
        _change(mail, own, error=text, due_at=now() + pause)


def _change(mail: Mail, *still: ColumnElement[bool], **values: object) -> bool:
    """Change the row of a mail that waits, and commit; whether it was there, and ``still`` true.

    The row of an account that was deleted meanwhile is gone: that is no error.
    """
    statement = update(Mail).where(Mail.id == mail.id, Mail.state == "waiting", *still)
    changed = change(statement.values(values))
    db.session.commit()
    return changed == 1
