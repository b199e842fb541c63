"""``flask mail deliver``: sends what waits in the outbox, until it is told to stop.

Any number of these processes may run. One that is killed loses nothing: what it was about to send
is sent by another after :data:`app.mail.outbox.LEASE`.
"""

from __future__ import annotations

import logging
import smtplib
import socket
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from threading import Event

from sqlalchemy.exc import SQLAlchemyError

from app.database import db
from app.mail import outbox, transport

POLL = 2  # seconds between two looks into the outbox
# Seconds until the next look after the mail server or the database failed; doubled each time.
LONGEST_PAUSE = 300

# What is wrong with one mail alone. After any other error the connection is of no more use.
REFUSED = (
    ValueError,
    smtplib.SMTPRecipientsRefused,
    smtplib.SMTPSenderRefused,
    smtplib.SMTPDataError,
    smtplib.SMTPNotSupportedError,
)

log = logging.getLogger("app.mail")


def run(stop: Event, heartbeat: Path | None = None) -> None:
    """Send what is due, again and again, until ``stop`` is set.

    :param heartbeat: a file whose time is renewed before each mail and after each look, for
        whatever watches this process; or the socket of systemd, which is told so.
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
            outbox.delete_old()
        except SQLAlchemyError:
            log.exception("mail: database unavailable")
            works = False
        finally:
            db.session.rollback()
        beat()
        pause = POLL if works else min(pause * 2, LONGEST_PAUSE)
        stop.wait(pause)


def deliver_due(stop: Event, beat: Callable[[], object] = lambda: None) -> bool:
    """Send each mail that is due, over one connection; False when the server failed.

    A mail that the server refuses does not keep the others from being sent.

    :param beat: is called before each mail: a thousand mails take longer than a process may be
        silent.
    """
    with ExitStack() as stack:
        send: transport.Send | None = None
        while not stop.is_set() and (mail := outbox.claim()):
            beat()
            try:
                built = transport.message(mail)
                send = send or stack.enter_context(transport.connect())
                send(built)
            except (OSError, ValueError) as error:  # smtplib's errors are OSErrors
                fields = {"mail": mail.id, "kind": mail.kind, "reason": type(error).__name__}
                log.warning("mail not sent", extra=fields)
                outbox.failed(mail, f"{type(error).__name__}: {error}")
                if not isinstance(error, REFUSED):
                    return False
            else:
                outbox.sent(mail)
    return True
