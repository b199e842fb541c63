"""The two ways from a mail to a password, for the tests that attack both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from app.auth.links import LIFETIMES, Link
from app.database import db
from tests.browser import ASKED, PASSWORD_SET, SIGNED_UP, Browser
from tests.mailbox import newest_token
from tests.password_actions import ask_for_account, ask_for_reset, open_account, set_password
from tests.races import ALICE

CAROL = "carol@example.com"  # has no account


@dataclass(frozen=True)
class Flow:
    """Somebody asks for a mail, and chooses a password with what it has.

    :param kind: of the mail.
    :param email: whose mailbox it is.
    :param done: the status of the answer when the password is set.
    """

    kind: str
    email: str
    ask: Callable[[Browser, str], TestResponse]
    finish: Callable[[Browser, str, str], TestResponse]
    lifetime: timedelta
    done: int

    def __str__(self) -> str:
        return self.kind

    def token(self, app: Flask, address: str = "192.0.2.200") -> str:
        """The token of a new mail, asked for from this address."""
        assert self.ask(Browser(app, address), self.email).status_code == ASKED
        return newest_token(app, self.email)


SIGN_UP = Flow("register", CAROL, ask_for_account, open_account, LIFETIMES["confirm"], SIGNED_UP)
RESET = Flow("reset", ALICE, ask_for_reset, set_password, LIFETIMES["reset"], PASSWORD_SET)
FLOWS = (SIGN_UP, RESET)


def pass_time(app: Flask, time: timedelta) -> None:
    """Make every link, and the last mail with one, older."""
    with app.app_context():
        for link in db.session.scalars(select(Link)):
            link.mailed_at -= time
            link.expires_at -= time
        db.session.commit()
