"""The mails that wait in the outbox: what their recipients would read."""

from __future__ import annotations

import re
from typing import NamedTuple

from flask import Flask
from sqlalchemy import select

from app.database import db
from app.mail import outbox
from app.mail.models import Mail

# In a link, or as a code on a line of its own.
TOKEN = re.compile(r"(?:\?token=|^ +)([\w-]{43})$", re.MULTILINE)


class Received(NamedTuple):
    """A mail as it will be sent."""

    kind: str
    recipient: str
    subject: str
    text: str


def mails(app: Flask, recipient: str | None = None) -> list[Received]:
    """The mails that wait, for ``recipient`` or for everybody; the oldest first."""
    with app.app_context():
        waiting = select(Mail).where(Mail.state == "waiting").order_by(Mail.id)
        found = db.session.scalars(waiting).all()
        return [
            Received(mail.kind, mail.recipient, *outbox.content(mail))
            for mail in found
            if recipient in (None, mail.recipient)
        ]


def tokens(app: Flask, recipient: str) -> list[str]:
    """The tokens of the links, or the codes, in the mails that wait for ``recipient``."""
    return [token for mail in mails(app, recipient) for token in TOKEN.findall(mail.text)]


def newest_token(app: Flask, recipient: str) -> str:
    """The token of the newest mail that waits for ``recipient``."""
    received = mails(app, recipient)
    assert received, f"no mail waits for {recipient}"
    found = TOKEN.findall(received[-1].text)
    assert found, f"no token in {received[-1].text}"
    return str(found[-1])
