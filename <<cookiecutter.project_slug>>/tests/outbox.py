"""Helpers for tests of the outbox: write mails, send them, and move the time."""

from __future__ import annotations

from datetime import timedelta
from threading import Event

from flask import Flask
from sqlalchemy import select, update

from app.database import db, now
from app.mail import delivery, outbox
from app.mail.models import Mail
from app.secret import Secret

CLIENT = "203.0.113.77"  # in the text of each mail


def write(app: Flask, *recipients: str) -> None:
    """A mail to each of them; its text has :data:`CLIENT`."""
    with app.app_context():
        for recipient in recipients:
            outbox.add("password", Secret(recipient), {"address": CLIENT})
        db.session.commit()


def deliver(app: Flask) -> bool:
    """Send what is due, in this process."""
    with app.app_context():
        return delivery.deliver_due(Event())


def rows(app: Flask) -> list[Mail]:
    """The mails in the order in which they were written."""
    with app.app_context():
        return list(db.session.scalars(select(Mail).order_by(Mail.id)))


def states(app: Flask) -> list[str]:
    return [mail.state for mail in rows(app)]


def pass_time(app: Flask, time: timedelta) -> None:
    """Make every mail older, and bring its next attempt nearer."""
    with app.app_context():
        for mail in db.session.scalars(select(Mail)):
            mail.created_at -= time
            mail.due_at -= time
        db.session.commit()


def make_due(app: Flask) -> None:
    """Let the pause of each mail be over, and no mail be older."""
    with app.app_context():
        db.session.execute(update(Mail).values(due_at=now()))
        db.session.commit()
