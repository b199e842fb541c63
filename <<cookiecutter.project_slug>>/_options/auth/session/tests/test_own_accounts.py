"""Signing up and changing the password, in a browser: what stays signed in, what cannot be set."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import orm, select
from sqlalchemy.exc import OperationalError

from app.auth.models import User
from app.database import db
from app.secret import Secret
from app.security.passwords import verify_password
from tests.account_actions import ready_to_change_password
from tests.actions import ready_to_sign_in
from tests.browser import CONFIRM, PASSWORD, SIGN_UP, Browser, html
from tests.factors import with_app
from tests.mailbox import newest_token
from tests.marks import asvs, practice, slow

NEW_PASSWORD = "thistle-7-orbit-lantern-wool"


@practice("auth.sessions", "passwords")
@asvs("6.2.2", "7.2.4", "7.4.3")
@slow
def test_a_password_change_keeps_this_browser_signed_in_with_a_new_cookie(
    app: Flask, alice: Browser
) -> None:
    other, before = Browser(app), alice.cookie()
    other.sign_in(alice.email)
    thief = Browser(app, "192.0.2.66")
    thief.set_cookie(before)
    assert alice.change_password(PASSWORD, NEW_PASSWORD).status_code == 302
    assert alice.is_signed_in()
    assert alice.cookie() != before
    assert not other.is_signed_in()
    assert not thief.is_signed_in()
    assert Browser(app).sign_in(alice.email, PASSWORD).status_code == 401
    assert Browser(app).sign_in(alice.email, NEW_PASSWORD).status_code == 302


@practice("access")
@asvs("8.2.3", "15.3.3")
def test_nobody_makes_themselves_enabled_or_verified(app: Flask, browser: Browser) -> None:
    extra = {"disabled_at": "", "id": "999", "password_hash": "x", "created_at": "2000-01-01"}
    mallory = {"password": "an-attackers-own-choice", "confirm": "an-attackers-own-choice"}
    asked = {"email": "eve@example.com", **mallory, **extra}
    assert browser.submit(SIGN_UP, asked).status_code == 302
    page = f"{CONFIRM}?token={newest_token(app, 'eve@example.com')}"
    token = html(browser.get(page)).css_first("main input[name=token]").attributes["value"]
    form = {"token": token, "password": PASSWORD, "confirm": PASSWORD}
    chosen = {**form, **extra, "email": "mallory@example.com"}
    assert browser.submit(CONFIRM, chosen, page=page).status_code == 302
    with app.app_context():
        user = db.session.scalars(select(User)).one()
        assert user.id != 999
        assert user.email == "eve@example.com"
        assert user.created_at.year > 2000
        assert verify_password(user.password_hash, Secret(PASSWORD))


@practice("cookies")
@asvs("14.3.2")
def test_the_page_for_a_new_password_is_not_stored(alice: Browser) -> None:
    assert alice.get("/account/password").headers["Cache-Control"] == "no-store"


def failing(statement: str) -> Callable[[orm.Session], None]:
    """A commit that the database refuses."""

    def commit(session: orm.Session) -> None:
        session.flush()
        raise OperationalError(statement, None, Exception("the server has gone away"))

    return commit


@practice("auth.sessions")
def test_a_browser_stays_signed_in_when_a_new_session_cannot_be_stored(
    app: Flask, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer is 503, and must not bring the cookie of a session that is not there."""
    for send in (
        ready_to_change_password(alice, NEW_PASSWORD),
        ready_to_sign_in(alice, alice.email, PASSWORD),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(orm.Session, "commit", failing("COMMIT"))
            assert send().status_code == 503
        assert alice.is_signed_in()
    assert Browser(app).sign_in(alice.email, PASSWORD).status_code == 302


@practice("auth.sessions", "auth.second_factors")
def test_a_browser_stays_signed_in_when_a_ticket_cannot_be_stored(
    app: Flask, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = ready_to_sign_in(alice, alice.email, PASSWORD)
    with_app(app, alice.email)
    with monkeypatch.context() as patch:
        patch.setattr(orm.Session, "commit", failing("COMMIT"))
        assert send().status_code == 503
    assert alice.is_signed_in()
