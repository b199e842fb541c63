"""A page says what was done: the messages that Flask shows once, after the redirect."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask, message_flashed, request
from sqlalchemy import select

from app.auth.models import User
from app.database import db
from tests.accounts import start_session
from tests.browser import PROFILE, SAID, Browser
from tests.marks import slow
from tests.scenarios import fill, use_everything


@pytest.fixture
def said(app: Flask) -> Iterator[dict[str, str]]:
    """The last message of each endpoint."""
    found: dict[str, str] = {}

    def keep(_app: Flask, message: str, **_: object) -> None:
        found[str(request.endpoint)] = message

    with message_flashed.connected_to(keep, app):
        yield found


@slow
def test_each_action_says_what_it_did(app: Flask, alice: Browser, said: dict[str, str]) -> None:
    fill(app)
    use_everything(app, alice)
    assert {endpoint: said.get(endpoint) for endpoint in SAID} == SAID


def test_the_next_page_shows_the_message_and_the_one_after_does_not(
    app: Flask, alice: Browser, said: dict[str, str]
) -> None:
    with app.app_context():
        start_session(db.session.scalars(select(User)).one(), "203.0.113.9")
        db.session.commit()
    others = f"{PROFILE}sessions/revoke-others"
    assert alice.submit(others, {}, page=PROFILE).headers["Location"] == PROFILE
    (message,) = said.values()
    assert message in alice.get(PROFILE).text
    assert message not in alice.get(PROFILE).text
