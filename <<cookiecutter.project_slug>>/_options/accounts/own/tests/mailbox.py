"""The mails that wait in the outbox: what their recipients would read."""

from __future__ import annotations

import re
from typing import NamedTuple

from flask import Flask
from sqlalchemy import delete, select

from app.auth import link_issuance
from app.auth.links import Link, Purpose
from app.auth.models import User
from app.database import db
from app.mail import outbox
from app.mail.models import Mail
from app.secret import REDACTED, Secret

# What the routes are for that take the token of a mail.
PURPOSES: dict[str, Purpose] = {
    "links.confirm": "confirm",
    "links.reset": "reset",
    "address.change": "email",
    "address.undo": "undo",
    "rescue.unlock": "unlock",
    "rescue.keep": "keep",
}
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
        theirs = [
            Received(mail.kind, mail.recipient.reveal(), *outbox.content(mail))
            for mail in found
            if recipient in (None, mail.recipient)
        ]
    assert REDACTED not in str(theirs), "a mail shows a Secret, and forgot reveal()"
    return theirs


def tokens(app: Flask, recipient: str) -> list[str]:
    """The tokens of the links, or the codes, in the mails that wait for ``recipient``."""
    return [token for mail in mails(app, recipient) for token in TOKEN.findall(mail.text)]


def newest_token(app: Flask, recipient: str) -> str:
    """The newest token in the mails that wait for ``recipient``."""
    found = tokens(app, recipient)
    assert found, f"no token in {mails(app, recipient)}"
    return found[-1]


def token_for(app: Flask, endpoint: str, email: str) -> str:
    """A token that is valid for this route, as this user would get it; empty if it takes none."""
    if endpoint not in PURPOSES:
        return ""
    purpose = PURPOSES[endpoint]
    recipient = email if purpose in ("reset", "unlock", "keep") else f"new-{email}"
    with app.app_context():
        user = db.session.scalars(select(User).where(User.email == Secret(email))).one()
        # And with the link, its pause.
        db.session.execute(delete(Link).where(Link.email == Secret(recipient)))
        owner = None if purpose in ("confirm", "reset") else user
        token = link_issuance.issue(purpose, Secret(recipient), owner)
        assert token
        db.session.commit()
        return token.reveal()
