"""``flask mail deliver``: sends what waits in the outbox, until it is told to stop.

Any number of these processes may run. One that is killed loses nothing: what it was about to send
is sent by another after :data:`app.mail.outbox.LEASE`.
"""

from __future__ import annotations

import logging
import re
import smtplib
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from threading import Event

from sqlalchemy import delete, update
from sqlalchemy.exc import SQLAlchemyError

from app.database import db, now
from app.database.rows import change
from app.mail import outbox, transport
from app.mail.models import Mail

POLL = 2  # seconds between two checks of the outbox
# The longest pause, in seconds, after the mail server or the database failed; pauses double. A new
# mail may also wait for so long after the server is back.
LONGEST_PAUSE = 60
SLICE = 0.5  # seconds: how often a pause checks ``stop`` and renews the heartbeat

# Errors of a single mail. After any other error the connection is not used again.
REFUSED = (
    ValueError,
    smtplib.SMTPRecipientsRefused,
    smtplib.SMTPSenderRefused,
    smtplib.SMTPDataError,
    smtplib.SMTPNotSupportedError,
)
CLOSING = 421  # the server ends the connection, RFC 5321 section 3.8
# The mailbox does not exist, RFC 3463 section 3.2. At the same step a server refuses a sender, a
# client or relaying (5.1.8, 5.7.1), or gives no such number: an operator can repair these.
NO_MAILBOX = re.compile(r" 5\d\d 5\.1\.(1|2|3|6|10)\b")

log = logging.getLogger("app.mail")


def run(stop: Event, heartbeat: Path | None = None) -> None:
    """Send what is due, again and again, until ``stop`` is set.

    :param heartbeat: a file whose time is renewed before each mail and in each pause, for whatever
        watches this process; or the socket of systemd, which is notified. It is not renewed while
        one mail is sent, which may take minutes with a slow server.
    """

    def beat() -> None:
        if heartbeat and heartbeat.is_socket():  # sd_notify(3), of a unit with Type=notify
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
                systemd.sendto(b"READY=1\nWATCHDOG=1", str(heartbeat))
        elif heartbeat:
            heartbeat.touch()

    pause: float = POLL
    while not stop.is_set():
        try:
            works = deliver_due(stop, beat)
            delete_old()
        except SQLAlchemyError:
            log.exception("mail: database unavailable")
            works = False
        finally:
            db.session.rollback()
        pause = POLL if works else min(pause * 2, LONGEST_PAUSE)
        end = time.monotonic() + pause
        # Not stop.wait(): it holds the lock that the signal's handler needs, in this same thread.
        while not stop.is_set() and time.monotonic() < end:
            beat()
            time.sleep(SLICE)


def deliver_due(stop: Event, beat: Callable[[], object] = lambda: None) -> bool:
    """Send each mail that is due, over one connection; False when the server failed.

    A mail that the server refuses does not stop the others.

    :param beat: is called before each mail: a thousand mails take longer than the watchdog waits.
    """
    with ExitStack() as stack:
        send: transport.Send | None = None
        while not stop.is_set() and (mail := outbox.claim()):
            beat()
            try:
                send = send or stack.enter_context(transport.connect())
                send(mail)
            except Exception as error:  # of any kind: no mail stops the others
                code, reason = _answer(error)
                fields = {"mail": mail.id, "kind": mail.kind, "reason": type(error).__name__}
                log.warning("mail not sent", extra={**fields, "code": code})
                is_recipient = isinstance(error, smtplib.SMTPRecipientsRefused)
                final = is_recipient and NO_MAILBOX.search(reason) is not None
                outbox.failed(mail, reason, final=final)
                if send is None or code == CLOSING or not isinstance(error, REFUSED):
                    return False
            else:
                outbox.sent(mail)
    return True


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


def _answer(error: Exception) -> tuple[int, str]:
    """The code of the server's answer, 0 when it gave none, and what went wrong, for people."""
    code, text = getattr(error, "smtp_code", 0), str(error)
    if isinstance(error, smtplib.SMTPRecipientsRefused):  # a mail has one recipient
        code, answer = next(iter(error.recipients.values()))
        text = f"{code} {answer.decode('ascii', 'replace')}"
    return code, f"{type(error).__name__}: {text}"
