"""Who may stay signed in on a device, for how long, and what ends it all the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http.cookies import SimpleCookie

import pytest
from flask import Flask
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from app.auth.models import Session
from app.database import db, now
from app.settings import ConfigurationError
from tests.authenticator import Authenticator
from tests.browser import PASSWORD, PROFILE, SIGN_IN, Browser, csrf_token, html
from tests.factor_actions import ALONE, code_step, passkey_options, passkey_step
from tests.factors import Clock, with_app, with_passkey
from tests.marks import asvs, practice, slow
from tests.security.test_cookies import set_cookies

pytestmark = practice("auth.sessions")

EMAIL = "carol@example.com"
STAY = {"STAY_SIGNED_IN": "3 days", "SESSION_ABSOLUTE_TIMEOUT": "10 days"}


@pytest.fixture
def staying(app: Flask, make_app: Callable[..., Flask]) -> Flask:
    """A service that offers it, with an account."""
    offering = make_app(**STAY)
    Browser(offering).signed_in(EMAIL)
    return offering


def sign_in(app: Flask, **fields: str) -> tuple[Browser, TestResponse]:
    """A browser that signs in, with these fields besides address and password."""
    browser = Browser(app, "192.0.2.20")
    return browser, browser.submit(SIGN_IN, {"email": EMAIL, "password": PASSWORD, **fields})


def end_of_cookie(response: TestResponse) -> datetime | None:
    """When a browser forgets the session cookie; None: when it is closed."""
    (header,) = (it for it in set_cookies(response) if it.startswith("__Host-session="))
    (cookie,) = SimpleCookie(header).values()
    return parsedate_to_datetime(cookie["expires"]) if cookie["expires"] else None


def assert_stays(response: TestResponse) -> None:
    """Until the absolute timeout, from the sign-in."""
    end = end_of_cookie(response)
    assert end is not None
    assert abs(end - datetime.now(UTC) - timedelta(days=10)) < timedelta(minutes=5)


def age(app: Flask, **columns: timedelta) -> None:
    """Let each session be this much older."""
    with app.app_context():
        moments = {name: now() - it for name, it in columns.items()}
        db.session.execute(update(Session).values(**moments))
        db.session.commit()


def test_staying_signed_in_is_off_by_default(app: Flask, alice: Browser) -> None:
    assert not html(Browser(app).get(SIGN_IN)).css("[name=stay]")
    asked = alice.submit(SIGN_IN, {"email": alice.email, "password": PASSWORD, "stay": "y"})
    assert asked.status_code == 302
    assert end_of_cookie(asked) is None
    with app.app_context():
        assert not any(it.stays for it in db.session.scalars(select(Session)))


@asvs("7.3.1", "7.3.2")
def test_a_session_stays_only_when_the_box_is_ticked(staying: Flask) -> None:
    box = html(Browser(staying).get(SIGN_IN)).css_first("input[type=checkbox][name=stay]")
    assert "checked" not in box.attributes
    here, answer = sign_in(staying)
    assert end_of_cookie(answer) is None
    there, answer = sign_in(staying, stay="y")
    assert_stays(answer)
    age(staying, last_seen_at=timedelta(days=2))
    assert there.is_signed_in()
    assert not here.is_signed_in()


@asvs("7.3.1", "7.3.2")
@pytest.mark.parametrize(
    ("column", "days", "alive"),
    [("last_seen_at", 2, True), ("last_seen_at", 4, False), ("created_at", 11, False)],
)
@slow
def test_a_session_that_stays_ends_as_well(
    staying: Flask, column: str, days: int, alive: bool
) -> None:
    browser, _ = sign_in(staying, stay="y")
    age(staying, **{column: timedelta(days=days)})
    assert browser.is_signed_in() is alive


def test_after_a_wrong_password_the_box_is_still_ticked(staying: Flask) -> None:
    for fields, ticked in (({"stay": "y"}, True), ({}, False)):
        fields |= {"email": EMAIL, "password": "a wrong password"}
        refused = Browser(staying, "192.0.2.20").submit(SIGN_IN, fields)
        assert refused.status_code == 401
        box = html(refused).css_first("input[type=checkbox][name=stay]")
        assert ("checked" in box.attributes) is ticked


def test_a_sign_in_deletes_no_session_of_somebody_else_who_stays(staying: Flask) -> None:
    """It deletes what has expired, of all users."""
    stays, _ = sign_in(staying, stay="y")
    age(staying, last_seen_at=timedelta(days=3) - timedelta(minutes=1))
    Browser(staying, "203.0.113.2").signed_in("bob@example.com")
    assert stays.is_signed_in()


@asvs("7.3.2")
def test_sending_the_cookie_again_does_not_extend_the_session(staying: Flask) -> None:
    browser, answer = sign_in(staying, stay="y")
    first = end_of_cookie(answer)
    data = {"password": PASSWORD}
    proven = browser.submit("/account/step-up", data)
    assert proven.status_code == 302
    assert end_of_cookie(proven) == first


def test_a_sign_in_by_somebody_else_does_not_inherit_it(staying: Flask) -> None:
    """Of a computer that two people use: the second did not tick the box."""
    browser, _ = sign_in(staying, stay="y")
    answer = browser.sign_in(EMAIL, PASSWORD)
    assert end_of_cookie(answer) is None
    age(staying, last_seen_at=timedelta(hours=1))
    assert not browser.is_signed_in()


def test_the_choice_outlives_the_second_step(
    staying: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    secret = with_app(staying, EMAIL)
    for fields in ({}, {"stay": "y"}, {}):
        clock.next_step()
        browser, asked = sign_in(staying, **fields)
        assert end_of_cookie(asked) is None, "nobody is signed in yet"
        done = code_step(browser, clock.code(secret))
        assert done.status_code == 302
        if fields:
            assert_stays(done)
        else:
            assert end_of_cookie(done) is None


def test_an_abandoned_choice_is_not_taken_over_by_a_passkey(staying: Flask) -> None:
    """Somebody ticked the box, and stopped before the second factor; another one signs in."""
    phone = with_passkey(staying, EMAIL)
    browser, _ = sign_in(staying, stay="y")
    answer = passkey_step(browser, phone.get(passkey_options(browser, alone=True)), alone=True)
    assert answer.status_code == 302
    assert end_of_cookie(answer) is None


def test_a_sign_in_by_passkey_alone_can_stay(staying: Flask) -> None:
    phone: Authenticator = with_passkey(staying, EMAIL)
    browser = Browser(staying, "192.0.2.20")
    page = html(browser.get(SIGN_IN))
    assert page.css_first("form[data-passkey] [name=stay]").attributes["value"] == ""
    credential = phone.get(passkey_options(browser, alone=True))
    token = csrf_token(browser.get(SIGN_IN))
    fields = {"credential": json.dumps(credential), "stay": "y", "csrf_token": token}
    assert_stays(browser.post(ALONE, fields))


@asvs("7.4.1", "7.4.3")
@slow
def test_password_change_and_sign_out_end_a_staying_session(staying: Flask) -> None:
    thief, _ = sign_in(staying, stay="y")
    owner, _ = sign_in(staying, stay="y")
    changed = owner.change_password(PASSWORD, "quartz-ferry-meadow-3-almanac")
    assert changed.status_code == 302
    assert_stays(changed)
    assert not thief.is_signed_in()
    saved = owner.cookie()
    owner.sign_out()
    owner.set_cookie(saved)
    assert not owner.is_signed_in()


def test_a_staying_session_ends_when_the_setting_is_removed(
    staying: Flask, make_app: Callable[..., Flask]
) -> None:
    browser, _ = sign_in(staying, stay="y")
    age(staying, last_seen_at=timedelta(hours=2))
    without = Browser(make_app())
    without.set_cookie(browser.cookie())
    assert not without.is_signed_in()


def test_the_account_page_says_which_session_stays(staying: Flask) -> None:
    browser, _ = sign_in(staying, stay="y")
    shown = [it.text() for it in html(browser.get(PROFILE)).css(".session .badge")]
    assert shown == ["this one", "stays signed in"]


BOUNDS = (
    "STAY_SIGNED_IN must be longer than SESSION_IDLE_TIMEOUT, and no longer than"
    " SESSION_ABSOLUTE_TIMEOUT, which is 12 hours unless it is set"
)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"STAY_SIGNED_IN": "14 days"}, BOUNDS),
        ({"STAY_SIGNED_IN": "30 minutes"}, BOUNDS),
        ({"STAY_SIGNED_IN": "11 days", "SESSION_ABSOLUTE_TIMEOUT": "10 days"}, BOUNDS),
        (
            {"STAY_SIGNED_IN": "yes"},
            "STAY_SIGNED_IN is 'yes'; write 30 minutes, 12 hours or 14 days, for example",
        ),
    ],
)
def test_start_up_refuses_a_value_out_of_range(
    make_app: Callable[..., Flask], changes: dict[str, str], problem: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        make_app(**changes)
    assert refused.value.problems == [problem]


@pytest.mark.parametrize("value", ["off", "", "12 hours", "1 hour"])
@slow
def test_a_value_in_range_is_accepted(make_app: Callable[..., Flask], value: str) -> None:
    make_app(STAY_SIGNED_IN=value)
