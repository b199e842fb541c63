"""The CSRF token of forms: without it, or with that of somebody else, nothing is done."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask_wtf import CSRFProtect
from sqlalchemy import update

from app.auth.models import Session
from app.database import db, now
from app.security import check, csrf
from app.security.csrf import require_token
from tests.browser import ORIGIN, WRITE, Browser, csrf_token, html
from tests.marks import asvs, practice, slow
from tests.routes import fingerprint, own_path, routes
from tests.security.client import proof
from tests.security.test_csrf import attack_every_route

pytestmark = practice("csrf")


def prove(app: Flask) -> None:
    """Let no route ask for a fresh proof before it looks at the token."""
    with app.app_context():
        db.session.execute(update(Session).values(proven_at=now()))
        db.session.commit()


def token_of(browser: Browser) -> str:
    """The token of the browser's session."""
    return proof(browser)["X-CSRFToken"]


@asvs("3.5.1")
def test_forms_without_a_csrf_token_are_refused(app: Flask, victim: Browser) -> None:
    before = fingerprint(app)
    assert attack_every_route(app, victim) == {400}
    assert fingerprint(app) == before


@asvs("3.5.1")
@pytest.mark.parametrize("place", ["form", "header"])
def test_a_token_of_another_session_is_refused(
    app: Flask, victim: Browser, bob: Browser, place: str
) -> None:
    foreign = token_of(bob)
    before = fingerprint(app)
    in_form, in_header = {"fields": {"csrf_token": foreign}}, {"headers": {"X-CSRFToken": foreign}}
    sent = in_form if place == "form" else in_header
    assert attack_every_route(app, victim, **sent) == {400}
    assert fingerprint(app) == before


@asvs("3.5.1")
@slow
def test_the_token_of_an_ended_session_is_refused(app: Flask, victim: Browser) -> None:
    token, cookie = token_of(victim), victim.cookie()
    victim.sign_out()
    before = fingerprint(app)
    # The attacker kept the whole cookie: its signature is good, its session is over.
    victim.set_cookie(cookie)
    assert attack_every_route(app, victim, fields={"csrf_token": token}) <= {400, 401}
    assert fingerprint(app) == before
    victim.set_cookie(cookie)
    victim.sign_in(victim.email)
    prove(app)
    assert attack_every_route(app, victim, fields={"csrf_token": token}) == {400}


@asvs("3.5.1")
def test_a_token_from_before_sign_in_is_refused_after_it(app: Flask, victim: Browser) -> None:
    # The attacker planted a cookie, and so knows the token that belongs to it.
    victim.sign_out()
    known = csrf_token(victim.get("/auth/login"))
    victim.sign_in(victim.email)
    prove(app)
    before = fingerprint(app)
    assert attack_every_route(app, victim, fields={"csrf_token": known}) == {400}
    assert fingerprint(app) == before


@asvs("3.5.1")
@pytest.mark.parametrize(
    "headers",
    [
        {"Referer": None},
        {"Referer": "https://evil.example/"},
        {"Referer": f"{ORIGIN}.evil.example/"},
        {"Referer": "http://service.test/"},
    ],
    ids=str,
)
def test_forms_without_our_referrer_are_refused(
    app: Flask, victim: Browser, headers: dict[str, str | None]
) -> None:
    # A client that sends neither Sec-Fetch-Site nor Origin: the token's own checks decide.
    token = token_of(victim)
    before = fingerprint(app)
    silent = {"Sec-Fetch-Site": None, "Origin": None, **headers}
    assert attack_every_route(app, victim, fields={"csrf_token": token}, headers=silent) == {400}
    assert fingerprint(app) == before


@asvs("3.5.1")
def test_every_form_carries_a_token(app: Flask, victim: Browser, browser: Browser) -> None:
    forms = 0
    for visitor in (victim, browser):
        for route in routes(app):
            if route.method != "GET" or route.endpoint == "static":
                continue
            page = visitor.get(own_path(app, route, victim.email))
            for form in html(page).css("form"):
                assert form.attributes.get("method", "").lower() == "post", route
                assert form.css_first("input[name=csrf_token][type=hidden]"), route
                forms += 1
    assert forms >= 12


@practice("cross_origin")
def test_a_browser_that_sends_no_fetch_metadata_still_works(victim: Browser) -> None:
    data = {"title": "T", "body": "B", "csrf_token": token_of(victim)}
    for missing in ({"Sec-Fetch-Site": None}, {"Sec-Fetch-Site": None, "Origin": None}):
        assert victim.post(WRITE, data, headers=missing).status_code == 302


def test_our_own_referrer_policy_lets_the_forms_work(browser: Browser) -> None:
    # With "no-referrer" every browser would leave out the Referer that Flask-WTF asks for.
    assert browser.get("/").headers["Referrer-Policy"] == "strict-origin"


def test_an_open_form_survives_one_key_rotation(
    app: Flask, victim: Browser, make_app: Callable[..., Flask]
) -> None:
    token, cookie = token_of(victim), victim.cookie()
    keys = [secrets.token_urlsafe(48) for _ in range(2)]
    once = make_app(SECRET_KEY=keys[0], SECRET_KEY_FALLBACKS=str(app.secret_key))
    twice = make_app(SECRET_KEY=keys[1], SECRET_KEY_FALLBACKS=keys[0])
    data = {"title": "Written before", "body": "the rotation", "csrf_token": token}
    visitor = Browser(once)
    visitor.set_cookie(cookie)
    assert visitor.post(WRITE, data).status_code == 302
    visitor = Browser(twice)
    visitor.sign_in(victim.email)
    assert visitor.post(WRITE, data).status_code == 400


@asvs("11.4.1")
def test_the_token_is_signed_with_sha256(browser: Browser) -> None:
    signature = csrf_token(browser.get("/auth/login")).rpartition(".")[2]
    assert len(signature) == 43  # 256 bits in base64; SHA-1 has 27 characters


@asvs("16.3.3")
def test_the_answer_does_not_tell_which_check_failed(
    browser: Browser, log: Callable[[], list[dict[str, Any]]]
) -> None:
    texts = set()
    for data in ({}, {"csrf_token": "x"}, {"csrf_token": csrf_token(browser.get("/auth/login"))}):
        response = browser.post("/auth/login", data, headers={"Referer": "https://evil.example"})
        assert response.status_code == 400
        texts.add(html(response).css_first(".lead").text())
    assert len(texts) == 1
    reasons = {line["reason"] for line in log() if line["event"] == "malicious_csrf"}
    assert len(reasons) == 3


@pytest.mark.parametrize("setting", ["WTF_CSRF_ENABLED", "WTF_CSRF_SSL_STRICT"])
def test_start_up_notices_when_protection_is_off(app: Flask, setting: str) -> None:
    assert list(check(app)) == []
    app.config[setting] = False
    assert [line for line in check(app) if setting in line]


def test_start_up_notices_that_no_token_is_required(app: Flask) -> None:
    app.before_request_funcs[None].remove(require_token)
    assert [line for line in check(app) if "CSRF protection is off" in line]


@slow
def test_no_exemption_of_flask_wtf_has_an_effect(
    app: Flask, victim: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    exempting = CSRFProtect()
    exempting.exempt("tests.sample.views.delete")
    exempting.exempt(app.blueprints["samples"])
    monkeypatch.setattr(csrf, "csrf_protect", exempting)
    test_forms_without_a_csrf_token_are_refused(app, victim)
