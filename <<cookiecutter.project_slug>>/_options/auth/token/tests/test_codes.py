"""The codes of mails at the API: sent in other ways, with more, as somebody else, and after use.

What pages and API have in common is in ``tests/security/``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from app.auth import password_reset, sign_up
from app.auth.models import Session, User
from app.database import db
from tests.browser import (
    API,
    ASKED,
    CONFIRM,
    FORGOT,
    FORM_TYPE,
    NO_LINK,
    ORIGIN,
    PASSWORD,
    PASSWORD_SET,
    RESET,
    SIGN_UP,
    SIGNED_IN,
    SIGNED_UP,
    Browser,
)
from tests.mailbox import mails, newest_token
from tests.marks import asvs, practice, slow
from tests.password_actions import ask_for_account, ask_for_reset, open_account, set_password
from tests.resources import NEW_PASSWORD
from tests.security.problems import assert_problem
from tests.security.test_csrf import CROSS_SITE

pytestmark = practice("auth.sign_up", "auth.password_reset")

APP = "https://app.example.com"
CAROL = "carol@example.com"


def code_for_carol(app: Flask) -> str:
    """A code that opens her account."""
    assert ask_for_account(Browser(app, "192.0.2.1"), CAROL).status_code == ASKED
    return newest_token(app, CAROL)


def code_for(user: Browser) -> str:
    """A code that sets this user's password."""
    assert ask_for_reset(Browser(user.app, "192.0.2.1"), user.email).status_code == ASKED
    return newest_token(user.app, user.email)


def accounts_of(app: Flask) -> int:
    with app.app_context():
        return db.session.scalars(select(func.count()).select_from(User)).one()


# --- What is answered


@asvs("6.3.8")
@pytest.mark.parametrize("path", [SIGN_UP, FORGOT])
def test_asking_for_a_mail_returns_an_empty_answer(
    alice: Browser, browser: Browser, path: str
) -> None:
    for email in (alice.email, "nobody@example.com"):
        response = browser.post(path, {"email": email})
        assert (response.status_code, response.data) == (ASKED, b"")
        assert "Content-Type" not in response.headers
        assert response.headers["Cache-Control"] == "no-store"


@asvs("6.4.3")
def test_every_invalid_code_gets_the_same_problem(app: Flask, alice: Browser) -> None:
    """Used, replaced, of the other purpose, made up: a client can do but one thing about it."""
    used, reset = code_for_carol(app), code_for(alice)
    assert open_account(alice, used, NEW_PASSWORD).status_code == SIGNED_UP
    answers = [
        open_account(alice, used, NEW_PASSWORD),
        open_account(alice, reset, NEW_PASSWORD),
        set_password(alice, used, NEW_PASSWORD),
        set_password(alice, "A" * 43, NEW_PASSWORD),
        set_password(alice, "", NEW_PASSWORD),
        set_password(alice, "\0" + "é" * 40_000, NEW_PASSWORD),
    ]
    for answer in answers:
        assert answer.status_code == NO_LINK
        assert_problem(answer)
    assert len({answer.json["detail"] for answer in answers}) == 1
    assert "WWW-Authenticate" not in answers[0].headers  # signing in again would not help
    assert alice.is_signed_in()


@asvs("6.2.1", "6.4.3")
def test_a_code_survives_a_weak_password_and_signs_nobody_in(app: Flask, browser: Browser) -> None:
    code = code_for_carol(app)
    for weak in ("short", "Password123456!", CAROL):
        refused = open_account(browser, code, weak)
        assert refused.status_code == 422
        assert [it["pointer"] for it in refused.json["errors"]] == ["#/password"]
        assert code not in refused.text
    opened = open_account(browser, code, NEW_PASSWORD)
    assert opened.status_code == SIGNED_UP
    assert opened.json.keys() == {"device_token"}
    with app.app_context():
        assert db.session.scalars(select(Session)).all() == []
    assert browser.sign_in(CAROL, NEW_PASSWORD).status_code == SIGNED_IN


# --- Where the code leads


@pytest.mark.parametrize("ask", [ask_for_account, ask_for_reset])
def test_a_mail_has_a_code_and_no_link(
    app: Flask, alice: Browser, ask: Callable[[Browser, str], Any]
) -> None:
    email = CAROL if ask is ask_for_account else alice.email
    ask(alice, email)
    (mail,) = mails(app, email)
    assert f"\n  {newest_token(app, email)}\n" in mail.text
    assert "Paste this code" in mail.text
    assert "http" not in mail.text


@asvs("12.2.1")
@pytest.mark.parametrize("set_to", [APP, f"{APP}/", f"{APP}/web", f"{APP}/#"])
@slow
def test_with_app_url_a_mail_leads_to_the_page_of_the_app(
    make_app: Callable[..., Flask], alice: Browser, set_to: str
) -> None:
    app = make_app(APP_URL=set_to)
    # The Host header is an attacker's; the service refuses others, and uses none.
    visitor, lying = Browser(app), {"X-Forwarded-Host": "evil.example", "Forwarded": "host=evil"}
    for path, email, page, set_it, done in (
        (SIGN_UP, CAROL, "confirm", open_account, SIGNED_UP),
        (FORGOT, alice.email, "reset", set_password, PASSWORD_SET),
    ):
        assert visitor.post(path, {"email": email}, headers=lying).status_code == ASKED
        (mail,) = mails(app, email)
        code = newest_token(app, email)
        assert f"\n  {set_to.rstrip('/')}/{page}?token={code}\n" in mail.text
        assert "evil" not in mail.text
        assert "Paste" not in mail.text
        assert set_it(visitor, code, NEW_PASSWORD).status_code == done
        assert visitor.sign_in(email, NEW_PASSWORD).status_code == SIGNED_IN


@asvs("4.1.3")
def test_a_foreign_host_gets_no_mail_sent(app: Flask, browser: Browser) -> None:
    for path in (SIGN_UP, FORGOT):
        sent = {"data": json.dumps({"email": CAROL}), "content_type": "application/json"}
        answer = browser.open("POST", path, base_url="https://evil.example", **sent)
        assert answer.status_code == 400
    assert mails(app) == []


# --- How the code is sent

WAYS: dict[str, dict[str, Any]] = {
    "form": {"content_type": FORM_TYPE, "data": "token={code}&password={password}"},
    "text": {"content_type": "text/plain", "data": '{{"token":"{code}","password":"{password}"}}'},
    "no type": {"data": '{{"token":"{code}","password":"{password}"}}'},
    "GET": {"method": "GET", "query_string": "token={code}&password={password}"},
    "PUT": {
        "method": "PUT",
        "content_type": "application/json",
        "data": '{{"token":"{code}","password":"{password}"}}',
    },
    "in the address": {
        "content_type": "application/json",
        "query_string": "token={code}",
        "data": '{{"password":"{password}"}}',
    },
    "in the address too": {
        "content_type": "application/json",
        "query_string": "token={code}",
        "data": '{{"token":"{code}","password":"{password}"}}',
    },
    "in a list": {
        "content_type": "application/json",
        "data": '{{"token":["{code}"],"password":"{password}"}}',
    },
    "for another address": {
        "content_type": "application/json",
        "data": '{{"token":"{code}","password":"{password}","email":"mallory@example.com"}}',
    },
    "cut off": {
        "content_type": "application/json",
        "data": '{{"token":"{code}","password":"{password}"',
    },
}


@practice("csrf")
@asvs("3.5.1", "3.5.2", "14.2.1")
def test_a_code_is_read_only_from_a_json_body(
    app: Flask, alice: Browser, capfd: pytest.CaptureFixture[str]
) -> None:
    """Refused, and the code still counts: a scanner of mails cannot use it up. No log shows it."""
    codes = {CONFIRM: code_for_carol(app), RESET: code_for(alice)}
    for number, (name, way) in enumerate(WAYS.items()):
        for path, code in codes.items():
            sent = {it: text.format(code=code, password=NEW_PASSWORD) for it, text in way.items()}
            method = sent.pop("method", "POST")
            answer = Browser(app, f"192.0.2.{number}").open(method, path, **sent)
            assert answer.status_code in (400, 405, 415, 422), name
            assert_problem(answer)
            assert code not in answer.text, name
    assert accounts_of(app) == 1
    assert alice.is_signed_in()
    assert Browser(app).sign_in(alice.email).status_code == SIGNED_IN
    assert open_account(alice, codes[CONFIRM], NEW_PASSWORD).status_code == SIGNED_UP
    assert set_password(alice, codes[RESET], NEW_PASSWORD).status_code == PASSWORD_SET
    written = capfd.readouterr().err
    assert '"path": "/api/v1/auth/reset"' in written
    for secret in (*codes.values(), NEW_PASSWORD, CAROL, alice.email):
        assert secret not in written


@practice("cross_origin")
@asvs("3.5.1")
def test_a_good_code_from_another_site_is_refused_and_not_used_up(
    app: Flask, alice: Browser
) -> None:
    """The attacker's own code, in the browser of a victim: signs nobody in, and changes nothing."""
    code = code_for_carol(app)
    for headers in CROSS_SITE.values():
        answer = alice.post(CONFIRM, {"token": code, "password": PASSWORD}, headers=headers)
        assert answer.status_code == 403
        assert alice.post(FORGOT, {"email": alice.email}, headers=headers).status_code == 403
    assert mails(app, alice.email) == []
    assert open_account(alice, code, NEW_PASSWORD).status_code == SIGNED_UP


@practice("cors")
@asvs("3.4.2")
def test_a_page_at_app_url_calls_the_api_only_as_cors_origins_says(
    make_app: Callable[..., Flask], alice: Browser
) -> None:
    """APP_URL is where mails lead; it lets no page in."""
    headers = {"Origin": APP, "Sec-Fetch-Site": "cross-site"}
    closed, opened = make_app(APP_URL=APP), make_app(APP_URL=APP, CORS_ORIGINS=APP)
    code = code_for(alice)
    sent = {"token": code, "password": NEW_PASSWORD}
    assert Browser(closed).post(RESET, sent, headers=headers).status_code == 403
    answer = Browser(opened).post(RESET, sent, headers=headers)
    assert answer.status_code == PASSWORD_SET
    assert answer.headers["Access-Control-Allow-Origin"] == APP


# --- Whose account it is


@asvs("8.2.2", "8.3.1")
def test_the_code_and_not_the_access_token_names_the_account(
    app: Flask, alice: Browser, bob: Browser
) -> None:
    code = code_for(alice)
    assert set_password(bob, code, NEW_PASSWORD).status_code == PASSWORD_SET
    assert bob.is_signed_in()
    assert not alice.is_signed_in()
    assert Browser(app).sign_in(bob.email, PASSWORD).status_code == SIGNED_IN
    assert Browser(app).sign_in(alice.email, NEW_PASSWORD).status_code == SIGNED_IN
    assert Browser(app).sign_in(alice.email, PASSWORD).status_code == 401


@asvs("6.4.3", "7.4.3")
def test_a_reset_ends_every_token_of_the_account(
    app: Flask, alice: Browser, bob: Browser, log: Callable[[], list[dict[str, Any]]]
) -> None:
    phone, thief = Browser(app, "192.0.2.7"), Browser(app, "192.0.2.66")
    assert phone.sign_in(alice.email).status_code == SIGNED_IN
    stolen = phone.access_token, phone.refresh_token
    assert phone.refresh().status_code == SIGNED_IN
    assert set_password(Browser(app), code_for(alice), NEW_PASSWORD).status_code == PASSWORD_SET
    log()
    for access, refresh in (
        stolen,
        (phone.access_token, phone.refresh_token),
        (alice.access_token, alice.refresh_token),
    ):
        thief.access_token = access
        assert not thief.is_signed_in()
        thief.access_token = ""
        assert thief.refresh(refresh).status_code == 401
    # These tokens are worthless, not stolen: no alarm.
    assert "authn_token_reuse" not in [line["event"] for line in log()]
    assert bob.is_signed_in()
    assert bob.refresh().status_code == SIGNED_IN
    assert [mail.kind for mail in mails(app, alice.email)] == ["new_device", "reset", "password"]


@practice("errors", "queries")
@asvs("2.3.3", "16.5.3")
@pytest.mark.parametrize("step", ["confirm", "reset"])
def test_a_failure_leaves_the_code_and_the_old_password(
    app: Flask,
    alice: Browser,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    step: str,
) -> None:
    """The last step fails: nothing is stored, the code still counts, and no traceback has it."""
    code, set_it, done = {
        "confirm": (code_for_carol(app), open_account, SIGNED_UP),
        "reset": (code_for(alice), set_password, PASSWORD_SET),
    }[step]

    def fail(event: str, **_: object) -> None:
        raise RuntimeError("in the middle")

    with monkeypatch.context() as patch:
        for module in (sign_up, password_reset):
            patch.setattr(module, "security_event", fail)
        assert set_it(Browser(app), code, NEW_PASSWORD).status_code == 500
    written = capfd.readouterr().err
    assert "in the middle" in written
    for secret in (code, NEW_PASSWORD, CAROL, alice.email):
        assert secret not in written
    assert alice.is_signed_in()
    assert accounts_of(app) == 1
    assert Browser(app).sign_in(alice.email).status_code == SIGNED_IN
    assert set_it(Browser(app), code, NEW_PASSWORD).status_code == done


# --- Limits


@practice("rate_limits")
@asvs("2.4.1", "6.3.1")
@pytest.mark.parametrize(
    ("path", "body", "first", "allowed"),
    [
        (SIGN_UP, {"email": "u{}@example.com"}, ASKED, 20),
        (FORGOT, {"email": "u{}@example.com"}, ASKED, 20),
        (CONFIRM, {"token": "{}", "password": NEW_PASSWORD}, NO_LINK, 30),
        (RESET, {"token": "{}", "password": NEW_PASSWORD}, NO_LINK, 30),
    ],
)
def test_each_step_is_limited_by_address(
    app: Flask, alice: Browser, path: str, body: dict[str, str], first: int, allowed: int
) -> None:
    guest = Browser(app, "192.0.2.5")
    statuses = []
    for number in range(allowed + 1):
        sent = {name: text.format(number) for name, text in body.items()}
        answer = guest.post(path, sent)
        statuses.append(answer.status_code)
    assert statuses == [first] * allowed + [429]
    assert_problem(answer)
    assert 1 <= int(answer.headers["Retry-After"]) <= 3601
    assert alice.post(path, sent).status_code == first  # from another address


def test_no_origin_is_needed(app: Flask) -> None:
    """An app that is no browser sends none; one of our own origin is a browser's."""
    for number, headers in enumerate(({}, {"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"})):
        email = f"u{number}@example.com"
        assert Browser(app).post(SIGN_UP, {"email": email}, headers=headers).status_code == ASKED
        sent = {"token": newest_token(app, email), "password": NEW_PASSWORD}
        assert Browser(app).post(CONFIRM, sent, headers=headers).status_code == SIGNED_UP
    assert Browser(app).get(f"{API}/me").status_code == 401
