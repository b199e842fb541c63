"""Session cookies that are stolen, planted, tampered with, or used after their end."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from http.cookies import SimpleCookie
from secrets import token_urlsafe
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from app.auth import sessions
from app.auth.models import Session, User
from app.database import Base, db, now
from app.security import check
from app.session_settings import ABSOLUTE_TIMEOUT, IDLE_TIMEOUT
from tests.browser import (
    CLEARED,
    DISABLED,
    DOMAIN,
    ORIGIN,
    PASSWORD,
    PROFILE,
    SAMPLES,
    SIGNED_IN,
    WRITE,
    Browser,
    html,
)
from tests.marks import asvs, practice, slow
from tests.routes import own_path, routes, unsafe_routes
from tests.security.client import encode, fields_of_routes
from tests.security.entry_points import Attacker
from tests.stored import stored_rows

NAMES = ("__Host-session", "__Host-device")


def set_cookies(response: Any) -> list[str]:
    return list(response.headers.getlist("Set-Cookie"))


@asvs("3.3.1", "3.3.2", "3.3.3", "3.3.4", "3.3.5")
def test_every_cookie_of_every_route_has_every_attribute(app: Flask, alice: Browser) -> None:
    seen = []
    for visitor in (Browser(app), alice):
        for route in routes(app):
            response = visitor.open(route.method, own_path(app, route, alice.email))
            seen += set_cookies(response)
    seen += set_cookies(alice.sign_out())
    assert len(seen) >= 3
    for header in seen:
        (cookie,) = SimpleCookie(header).values()
        assert cookie.key == "__Host-session"
        assert cookie["secure"] is True
        assert cookie["httponly"] is True
        assert cookie["samesite"] == "Lax"
        assert cookie["path"] == "/"
        assert cookie["domain"] == ""
        assert len(header) <= 4096  # browsers drop what is longer


@asvs("3.3.4")
def test_no_answer_shows_a_token_of_a_cookie(app: Flask, alice: Browser) -> None:
    """A script that an attacker got into a page reads the page: there the cookie had no HttpOnly."""
    alice.sign_in(alice.email)  # in a browser that has all cookies
    held = (alice.client.get_cookie(name, DOMAIN) for name in NAMES)
    kept = [cookie.value for cookie in held if cookie]
    with alice.client.session_transaction(base_url=ORIGIN) as cookie:
        kept.append(cookie["sid"])
    assert len(kept) >= 2
    for path in {own_path(app, it, alice.email) for it in routes(app) if it.method == "GET"}:
        answer = alice.get(path)
        sent = [value for name, value in answer.headers if name != "Set-Cookie"]
        assert not [it for it in kept if it in f"{sent}{answer.text}"], path


@asvs("3.3.5")
@slow
def test_no_text_of_a_user_makes_a_cookie_too_long(
    app: Flask, attacker: Attacker, alice: Browser, browser: Browser
) -> None:
    """A refused text that waits in the cookie: browsers drop it, and its user is signed out."""
    taken = fields_of_routes(app, alice, browser)
    for route in unsafe_routes(app):
        for length in (100, 5000):  # one is accepted, one is not; neither can be compressed
            names = taken.get(route.endpoint, ())
            fields = {name: token_urlsafe(length)[:length] for name in names}
            sent = encode(fields)
            answer = attacker.deliver(route, sent["data"].encode(), sent["content_type"])
            assert [it for it in set_cookies(answer) if len(it) > 4096] == [], route
            assert answer.status_code < 500, route  # the warning of Werkzeug is an error here


def test_a_public_page_sets_no_cookie(browser: Browser) -> None:
    assert set_cookies(browser.get("/")) == []


def test_the_cookie_ends_with_the_browser(browser: Browser, alice: Browser) -> None:
    for response in (browser.get("/auth/login"), browser.sign_in(alice.email)):
        (header,) = (it for it in set_cookies(response) if it.startswith("__Host-session="))
        assert not {"max-age", "expires"} & set(re.findall(r"; ([a-z-]+)=", header.lower()))


@asvs("7.2.2", "7.2.4")
def test_sign_in_changes_the_session(app: Flask, alice: Browser) -> None:
    # Session fixation: the attacker plants a cookie of their own before the victim signs in.
    attacker, victim = Browser(app), Browser(app)
    attacker.get("/auth/login")
    planted = attacker.cookie()
    victim.set_cookie(planted)
    victim.sign_in(alice.email)
    assert victim.is_signed_in()
    assert victim.cookie() != planted
    attacker.set_cookie(planted)
    assert not attacker.is_signed_in()


@asvs("7.2.4")
def test_sign_in_ends_the_session_before_it(app: Flask, alice: Browser) -> None:
    """Whoever has copied its cookie is out, as the user may have meant by signing in again."""
    saved = alice.cookie()
    alice.sign_in(alice.email)
    assert alice.is_signed_in()
    thief = Browser(app, "192.0.2.66")
    thief.set_cookie(saved)
    assert not thief.is_signed_in()


@asvs("7.2.4")
def test_a_planted_session_of_the_attacker_does_not_survive_sign_in(
    alice: Browser, bob: Browser
) -> None:
    victim_cookie = bob.cookie()
    alice.set_cookie(victim_cookie)
    alice.sign_in("alice@example.com")
    assert "alice@example.com" in alice.get("/account/").text


def end_by_sign_out(victim: Browser, cli: Callable[..., Any], other: Browser) -> None:
    victim.sign_out()


def end_by_disabling(victim: Browser, cli: Callable[..., Any], other: Browser) -> None:
    assert cli("users", "disable", victim.email).exit_code == 0


def end_by_revoking_the_user(victim: Browser, cli: Callable[..., Any], other: Browser) -> None:
    assert cli("sessions", "revoke", "--user", victim.email).exit_code == 0


def end_by_revoking_all(victim: Browser, cli: Callable[..., Any], other: Browser) -> None:
    assert cli("sessions", "revoke", "--all").exit_code == 0


def end_by_the_users_other_browser(
    victim: Browser, cli: Callable[..., Any], other: Browser
) -> None:
    assert other.submit("/account/sessions/revoke-others", {}, page="/account/").status_code == 302


def end_by_the_button_beside_it(victim: Browser, cli: Callable[..., Any], other: Browser) -> None:
    button = html(other.get("/account/")).css_first('form[action$="/revoke"]')
    action = str(button.attributes["action"])
    assert other.submit(action, {}, page="/account/").status_code == 302


def prove_at(app: Flask, time: datetime | None) -> None:
    """Let this be the time of the last proof of all sessions."""
    with app.app_context():
        db.session.execute(update(Session).values(proven_at=time))
        db.session.commit()


ENDINGS = [
    end_by_sign_out,
    end_by_disabling,
    end_by_revoking_the_user,
    end_by_revoking_all,
    end_by_the_users_other_browser,
    end_by_the_button_beside_it,
]


@practice("auth.sessions")
@asvs("7.5.2")
@pytest.mark.parametrize("end", ENDINGS[-2:])
def test_a_user_sees_all_sessions_and_ends_any_after_a_fresh_proof(
    app: Flask, alice: Browser, bob: Browser, cli: Callable[..., Any], end: Callable[..., None]
) -> None:
    """The thief of a session must not lock its owner out by it."""
    other = Browser(app, "198.51.100.8")
    other.sign_in(alice.email)
    page = alice.get("/account/").text
    assert alice.address in page
    assert other.address in page
    assert bob.address not in page
    prove_at(app, None)
    end(other, cli, alice)
    assert other.is_signed_in()
    prove_at(app, now())
    end(other, cli, alice)
    assert not other.is_signed_in()
    assert bob.is_signed_in()


@asvs("7.5.2")
def test_a_session_that_has_ended_by_itself_is_not_shown(app: Flask, alice: Browser) -> None:
    other = Browser(app, "198.51.100.77")
    assert other.sign_in(alice.email).status_code == SIGNED_IN
    assert other.address in alice.get(PROFILE).text
    with app.app_context():
        of_other = update(Session).where(Session.address == other.address)
        old = now() - ABSOLUTE_TIMEOUT - timedelta(minutes=1)
        db.session.execute(of_other.values(last_seen_at=old))
        db.session.commit()
    assert other.address not in alice.get(PROFILE).text
    assert not other.is_signed_in()


@practice("auth.sessions")
@asvs("7.5.2")
def test_a_user_sees_as_many_sessions_as_there_may_be(app: Flask, alice: Browser) -> None:
    """The one that is not shown is the thief's."""
    addresses = [f"198.51.100.{number}" for number in range(1, sessions.MAX_SESSIONS)]
    with app.app_context():
        user = db.session.scalars(select(User)).one()
        for address in addresses:
            sessions.start(user, address=address, device="", proof="password", proven_at=None)
        db.session.commit()
    page = html(alice.get("/account/")).body.text()
    assert [it for it in (alice.address, *addresses) if it not in page] == []


@practice("auth.sessions")
@asvs("7.2.1", "7.4.1", "7.4.2", "7.4.5")
@pytest.mark.parametrize("end", ENDINGS)
def test_a_saved_cookie_is_worthless_after_the_end(
    app: Flask, alice: Browser, cli: Callable[..., Any], end: Callable[..., None]
) -> None:
    other = Browser(app)
    other.sign_in(alice.email)
    prove_at(app, now())
    saved = alice.cookie()
    thief = Browser(app, "192.0.2.66")
    thief.set_cookie(saved)
    assert thief.is_signed_in()
    thief.set_cookie(saved)
    end(alice, cli, other)
    assert not thief.is_signed_in()
    thief.set_cookie(saved)  # the refusal cleared it: send it again
    assert thief.get(PROFILE).headers["Location"].startswith("/auth/login")


def test_a_disabled_user_cannot_sign_in(
    alice: Browser, cli: Callable[..., Any], log: Callable[[], list[dict[str, Any]]]
) -> None:
    cli("users", "disable", alice.email)
    log()
    assert alice.sign_in(alice.email).status_code == DISABLED
    assert "authn_login_fail" in {line["event"] for line in log()}
    cli("users", "enable", alice.email)
    assert alice.sign_in(alice.email).status_code == 302


@practice("auth.sessions")
@asvs("7.4.2")
def test_disabling_ends_sessions_for_good(
    app: Flask, alice: Browser, cli: Callable[..., Any]
) -> None:
    saved = alice.cookie()
    cli("users", "disable", alice.email)
    cli("users", "enable", alice.email)
    alice.set_cookie(saved)
    assert not alice.is_signed_in()


@practice("auth.sessions")
@asvs("7.4.2", "8.3.2")
def test_a_user_who_is_disabled_in_the_database_is_signed_out(app: Flask, alice: Browser) -> None:
    with app.app_context():
        db.session.scalars(select(User)).one().disabled_at = now()
        db.session.commit()
    assert not alice.is_signed_in()


@practice("auth.sessions")
@asvs("7.3.1", "7.3.2", "7.4.1")
@pytest.mark.parametrize(
    ("column", "age", "alive"),
    [
        ("last_seen_at", IDLE_TIMEOUT - timedelta(minutes=1), True),
        ("last_seen_at", IDLE_TIMEOUT + timedelta(minutes=1), False),
        ("created_at", ABSOLUTE_TIMEOUT - timedelta(minutes=1), True),
        ("created_at", ABSOLUTE_TIMEOUT + timedelta(minutes=1), False),
    ],
)
def test_a_session_expires(
    app: Flask, alice: Browser, column: str, age: timedelta, alive: bool
) -> None:
    with app.app_context():
        setattr(db.session.scalars(select(Session)).one(), column, now() - age)
        db.session.commit()
    assert alice.is_signed_in() is alive
    with app.app_context():
        assert bool(db.session.scalars(select(Session)).all()) is alive


@practice("auth.sessions")
@asvs("7.3.2")
def test_use_keeps_a_session_alive_but_not_beyond_its_absolute_end(
    app: Flask, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, minutes = now(), 0
    while alice.is_signed_in():
        minutes += 25  # does not divide the 12 hours: no tick of the clock decides
        moment = start + timedelta(minutes=minutes)
        monkeypatch.setattr(sessions, "now", lambda moment=moment: moment)
        assert minutes <= 13 * 60, "the session never ends"
    assert timedelta(minutes=minutes - 25) <= ABSOLUTE_TIMEOUT < timedelta(minutes=minutes)


@practice("auth.sessions")
@asvs("7.3.1", "7.3.2")
def test_the_timeouts_are_those_of_owasp() -> None:
    assert timedelta(minutes=30) >= IDLE_TIMEOUT
    assert timedelta(hours=12) >= ABSOLUTE_TIMEOUT


@practice("auth.sessions")
@asvs("2.3.2")
def test_one_account_has_a_limited_number_of_open_sessions(app: Flask, alice: Browser) -> None:
    with app.app_context():
        user = db.session.scalars(select(Session)).one().user
        for _ in range(sessions.MAX_SESSIONS):
            sessions.start(user, address="", device="", proof="password", proven_at=None)
        db.session.commit()
        assert len(sessions.of_user(user)) == sessions.MAX_SESSIONS
    assert not alice.is_signed_in()  # the oldest ended


@practice("auth.sessions")
@asvs("7.2.3")
def test_the_database_holds_nothing_that_signs_in(app: Flask, alice: Browser) -> None:
    with alice.client.session_transaction(base_url="https://service.test") as cookie:
        token = cookie["sid"]
    assert len(token) == 43  # 256 bits
    with app.app_context():
        dump = "".join(str(stored_rows(table)) for table in Base.metadata.sorted_tables)
    assert token not in dump
    assert alice.cookie() not in dump
    assert PASSWORD not in dump


@asvs("7.2.1")
def test_a_changed_cookie_is_refused(app: Flask, alice: Browser) -> None:
    good = alice.cookie()
    for position in range(0, len(good), 7):
        flipped = chr(ord(good[position]) ^ 1)
        alice.set_cookie(good[:position] + flipped + good[position + 1 :])
        response = alice.get("/account/")
        assert response.status_code == 302, position
    alice.set_cookie(good)
    assert alice.is_signed_in()


@asvs("7.2.1")
@pytest.mark.parametrize(
    "value", ["", ".", "..", "eyJzaWQiOiJ4In0", "\xff\xfe", "a" * 4000, "null"]
)
def test_a_malformed_cookie_is_refused(browser: Browser, value: str) -> None:
    browser.set_cookie(value)
    assert browser.get("/account/").status_code == 302
    assert browser.get("/").status_code == 200


@asvs("3.3.3")
def test_the_unprefixed_name_is_not_read(browser: Browser, alice: Browser) -> None:
    # A subdomain can plant "session", but never "__Host-session".
    browser.client.set_cookie("session", alice.cookie(), domain="service.test")
    assert not browser.is_signed_in()


@asvs("11.4.1")
def test_the_cookie_is_signed_with_sha256(browser: Browser) -> None:
    browser.get("/auth/login")
    assert len(browser.cookie().rpartition(".")[2]) == 43


@asvs("14.3.2")
def test_personal_pages_are_not_stored(app: Flask, alice: Browser) -> None:
    # "Back" after sign-out, a shared proxy, a disk cache: none may have the page.
    path = alice.write()
    for page in (SAMPLES, path, f"{path}/edit", PROFILE, WRITE):
        assert alice.get(page).headers["Cache-Control"] == "no-store", page


@asvs("14.3.1")
def test_sign_out_clears_what_the_browser_kept(alice: Browser) -> None:
    header = alice.sign_out().headers["Clear-Site-Data"]
    assert header == CLEARED
    assert alice.cookie() == ""


@asvs("3.5.3")
def test_sign_out_is_not_a_link(alice: Browser) -> None:
    assert alice.get("/auth/logout").status_code == 405
    assert alice.is_signed_in()


def test_users_see_their_sessions_with_device_address_and_time(app: Flask, alice: Browser) -> None:
    phone = Browser(app, "2001:db8::77")
    phone.sign_in(alice.email)
    page = html(alice.get("/account/")).body.text()
    for text in ("Firefox on Linux", "203.0.113.1", "2001:db8::77", "UTC"):
        assert text in page


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("SESSION_COOKIE_SECURE", False),
        ("SESSION_COOKIE_HTTPONLY", False),
        ("SESSION_COOKIE_SAMESITE", "None"),
        ("SESSION_COOKIE_SAMESITE", None),
        ("SESSION_COOKIE_NAME", "session"),
        ("SESSION_COOKIE_DOMAIN", "service.test"),
        ("SESSION_COOKIE_PATH", "/app"),
    ],
)
def test_start_up_notices_a_weaker_attribute(app: Flask, setting: str, value: object) -> None:
    assert list(check(app)) == []
    app.config[setting] = value
    assert [line for line in check(app) if setting in line]


def test_start_up_notices_the_cookie_of_development(make_app: Callable[..., Flask]) -> None:
    found = list(check(make_app(APP_ENV="development")))
    assert "SESSION_COOKIE_NAME is 'session'; it must be '__Host-session'" in found
    assert "SESSION_COOKIE_SECURE is False; it must be True" in found


@asvs("14.3.3")
def test_the_cookie_holds_no_password(app: Flask, alice: Browser) -> None:
    signing = app.session_interface.get_signing_serializer(app)  # type: ignore[attr-defined]
    assert PASSWORD not in str(signing.loads(alice.cookie()))
