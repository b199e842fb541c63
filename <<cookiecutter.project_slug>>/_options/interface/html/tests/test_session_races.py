"""Sessions that end while they are used."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import update

from app.auth import sessions
from app.auth.models import Session
from app.database import db, now
from tests.actions import ready
from tests.browser import PROFILE, Browser
from tests.overtaking import delete_first
from tests.races import at_once, meeting, statuses, tabs


def test_two_tabs_that_end_all_other_sessions_at_once_stay_signed_in(
    app: Flask, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tab,) = tabs(app, 1)
    other = Browser(app, tab.address)
    other.set_cookie(tab.cookie())
    with app.app_context():
        db.session.execute(update(Session).values(proven_at=now()))
        db.session.commit()
    path = "/account/sessions/revoke-others"
    calls = [ready(it, path, {}, page="/account/") for it in (tab, other)]
    monkeypatch.setattr(sessions, "find", meeting(2, sessions.find))
    assert statuses(at_once(*calls)) == [302, 302]
    monkeypatch.undo()  # the requests below meet no other
    assert tab.is_signed_in()
    assert other.is_signed_in()
    assert not alice.is_signed_in()


@pytest.mark.parametrize("age", [timedelta(minutes=2), timedelta(hours=13)], ids=["seen", "old"])
def test_a_session_that_ends_during_a_request_is_refused(
    app: Flask, alice: Browser, monkeypatch: pytest.MonkeyPatch, age: timedelta
) -> None:
    """Ended elsewhere, just when "last seen" is written or the expired row deleted."""
    with app.app_context():
        db.session.execute(update(Session).values(last_seen_at=now() - age, created_at=now() - age))
        db.session.commit()

    with monkeypatch.context() as patch:
        patch.setattr(sessions, "now", delete_first(app, Session))
        response = alice.get(PROFILE)
    assert response.status_code == 302
    assert response.headers["Location"].startswith("/auth/login")
