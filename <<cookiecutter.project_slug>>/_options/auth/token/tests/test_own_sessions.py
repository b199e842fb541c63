"""The user's own sign-ins over the API: all are listed, and any of them can be ended."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from app.auth import sessions
from app.auth.models import Session
from app.database import db, now
from tests.browser import API, SIGNED_IN, Browser
from tests.marks import asvs, practice

pytestmark = practice("auth.sessions")

SESSIONS = f"{API}/me/sessions"


def listed(browser: Browser) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = browser.get(SESSIONS).json["sessions"]
    return found


def prove_at(app: Flask, time: object) -> None:
    with app.app_context():
        db.session.execute(update(Session).values(proven_at=time))
        db.session.commit()


@pytest.fixture
def phone(app: Flask, alice: Browser) -> Browser:
    """Alice's other sign-in; its thief has copied both of its tokens."""
    phone = Browser(app, "198.51.100.8")
    assert phone.sign_in(alice.email).status_code == SIGNED_IN
    return phone


def is_ended(browser: Browser) -> bool:
    """Whether neither of its tokens counts any more."""
    access, refresh = browser.get(SESSIONS).status_code, browser.refresh().status_code
    assert access == refresh or {access, refresh} == {200, SIGNED_IN}
    return access == 401


@asvs("7.5.2")
def test_all_sign_ins_are_listed_and_this_one_is_marked(
    alice: Browser, phone: Browser, bob: Browser
) -> None:
    rows = listed(alice)
    assert {row["address"]: row["current"] for row in rows} == {
        alice.address: True,
        phone.address: False,
    }
    assert all(row["device"] for row in rows if not row["current"])
    assert set(rows[0]) == {"id", "created_at", "last_seen_at", "address", "device", "current"}
    for secret in (*alice.access_token.split("."), *phone.refresh_token.split(".")[1:]):
        assert secret not in alice.get(SESSIONS).text
    assert [row["address"] for row in listed(bob)] == [bob.address]


@asvs("7.5.2")
def test_a_sign_in_that_has_ended_by_itself_is_not_listed(
    app: Flask, alice: Browser, phone: Browser
) -> None:
    with app.app_context():
        of_phone = update(Session).where(Session.address == phone.address)
        old = now() - sessions.IDLE_TIMEOUT - timedelta(minutes=1)
        db.session.execute(of_phone.values(last_seen_at=old))
        db.session.commit()
    assert [row["address"] for row in listed(alice)] == [alice.address]
    assert not phone.is_signed_in()


@asvs("7.5.2", "10.4.9")
def test_any_sign_in_can_be_ended_after_a_fresh_proof(
    app: Flask, alice: Browser, phone: Browser
) -> None:
    (other,) = (row["id"] for row in listed(alice) if not row["current"])
    for time in (None, now().replace(year=2000)):
        prove_at(app, time)
        for answer in (
            alice.open("DELETE", f"{SESSIONS}/{other}"),
            alice.post(f"{SESSIONS}/revoke-others", {}),
        ):
            assert answer.status_code == 401
            assert "insufficient_user_authentication" in answer.headers["WWW-Authenticate"]
    assert not is_ended(phone)
    prove_at(app, now())
    assert alice.open("DELETE", f"{SESSIONS}/{other}").status_code == 204
    assert is_ended(phone)
    assert [row["current"] for row in listed(alice)] == [True]
    assert alice.open("DELETE", f"{SESSIONS}/{other}").status_code == 404
    (own,) = (row["id"] for row in listed(alice))
    assert alice.open("DELETE", f"{SESSIONS}/{own}").status_code == 204
    assert is_ended(alice)


@asvs("7.5.2", "10.4.9")
def test_all_other_sign_ins_can_be_ended_at_once(
    app: Flask, alice: Browser, phone: Browser, bob: Browser
) -> None:
    tablet = Browser(app, "198.51.100.9")
    assert tablet.sign_in(alice.email).status_code == SIGNED_IN
    assert alice.post(f"{SESSIONS}/revoke-others", {}).status_code == 204
    assert is_ended(phone)
    assert is_ended(tablet)
    assert not is_ended(alice)
    assert not is_ended(bob)


def test_the_device_that_ends_the_others_stays_known(
    app: Flask, alice: Browser, phone: Browser
) -> None:
    """Otherwise its next sign-in would be told as one of a stranger."""
    known = alice.sign_in(alice.email).json["device_token"]
    assert known
    sent = {"device_token": known}
    assert alice.post(f"{SESSIONS}/revoke-others", sent).status_code == 204
    again = {"email": alice.email, "password": alice.password, **sent}
    assert alice.post(f"{API}/auth/token", again).json["device_token"] is None
