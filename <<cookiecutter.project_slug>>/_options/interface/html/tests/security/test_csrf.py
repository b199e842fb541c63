"""CSRF: what another site can make a signed-in user's browser send must change nothing."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask_wtf import CSRFProtect

from app.security import check, csrf
from app.security.csrf import require_token
from tests.browser import ORIGIN, SIGN_IN, Browser, csrf_token, html
from tests.marks import asvs, practice
from tests.routes import fingerprint, own_id, routes, unsafe_routes

FORM = {
    "email": "new@example.com",
    "password": "wool-lantern-orbit-7-thistle",
    "confirm": "another-lantern-orbit-7-thistle",
    "current_password": "wool-lantern-orbit-7-thistle",
    "new_password": "another-lantern-orbit-7-thistle",
    "title": "Planted",
    "body": "Planted",
    "version": "1",
}

# What the victim's browser sends along when the attacker's page makes it post.
CROSS_SITE = {
    "cross-site": {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
    "sibling subdomain": {"Sec-Fetch-Site": "same-site", "Origin": "https://blog.service.test"},
    "lying Origin, honest browser": {"Sec-Fetch-Site": "cross-site", "Origin": ORIGIN},
    "older browser": {"Sec-Fetch-Site": None, "Origin": "https://evil.example"},
    "sandboxed frame": {"Sec-Fetch-Site": None, "Origin": "null"},
    "plain HTTP": {"Sec-Fetch-Site": None, "Origin": "http://service.test"},
    "other port": {"Sec-Fetch-Site": None, "Origin": f"{ORIGIN}:8443"},
    "suffix": {"Sec-Fetch-Site": None, "Origin": f"{ORIGIN}.evil.example"},
    "unknown value": {"Sec-Fetch-Site": "none, same-origin", "Origin": ORIGIN},
}


def attack_every_route(app: Flask, victim: Browser, **kwargs: Any) -> dict[str, int]:
    """Post to every unsafe route as the victim's browser; the status by route."""
    statuses = {}
    for route in unsafe_routes(app):
        path = route.path(own_id(app, route, victim.email))
        statuses[f"{route.method} {route.rule}"] = victim.open(
            route.method, path, **kwargs
        ).status_code
    assert len(statuses) >= 9
    return statuses


@pytest.fixture
def victim(alice: Browser) -> Browser:
    alice.write_note()
    return alice


@asvs("3.5.1")
def test_without_a_token_nothing_is_done(app: Flask, victim: Browser) -> None:
    before = fingerprint(app)
    statuses = attack_every_route(app, victim, data=FORM)
    assert set(statuses.values()) == {400}, statuses
    assert fingerprint(app) == before


@asvs("3.5.1")
@pytest.mark.parametrize("place", ["form", "header"])
def test_a_token_of_another_session_is_refused(
    app: Flask, victim: Browser, bob: Browser, place: str
) -> None:
    foreign = csrf_token(bob.get("/notes/new"))
    before = fingerprint(app)
    kwargs = (
        {"data": {**FORM, "csrf_token": foreign}}
        if place == "form"
        else {"data": FORM, "headers": {"X-CSRFToken": foreign}}
    )
    statuses = attack_every_route(app, victim, **kwargs)
    assert set(statuses.values()) == {400}, statuses
    assert fingerprint(app) == before


@asvs("3.5.1")
def test_the_token_of_an_ended_session_is_refused(app: Flask, victim: Browser) -> None:
    token, cookie = csrf_token(victim.get("/notes/new")), victim.cookie()
    victim.sign_out()
    before = fingerprint(app)
    # The attacker kept the whole cookie: its signature is good, its session is over.
    victim.set_cookie(cookie)
    statuses = attack_every_route(app, victim, data={**FORM, "csrf_token": token})
    assert set(statuses.values()) <= {400, 401}, statuses
    assert fingerprint(app) == before
    victim.set_cookie(cookie)
    victim.sign_in(victim.email)
    statuses = attack_every_route(app, victim, data={**FORM, "csrf_token": token})
    assert set(statuses.values()) == {400}, statuses


@asvs("3.5.1")
def test_a_token_from_before_sign_in_is_refused_after_it(app: Flask, victim: Browser) -> None:
    # The attacker planted a cookie, and so knows the token that belongs to it.
    victim.sign_out()
    known = csrf_token(victim.get("/auth/login"))
    victim.sign_in(victim.email)
    before = fingerprint(app)
    statuses = attack_every_route(app, victim, data={**FORM, "csrf_token": known})
    assert set(statuses.values()) == {400}, statuses
    assert fingerprint(app) == before


@practice("cross_origin")
@asvs("3.5.1")
@pytest.mark.parametrize("headers", CROSS_SITE.values(), ids=CROSS_SITE)
def test_another_origin_is_refused_even_with_a_good_token(
    app: Flask, victim: Browser, headers: dict[str, str | None]
) -> None:
    token = csrf_token(victim.get("/notes/new"))
    before = fingerprint(app)
    statuses = attack_every_route(app, victim, data={**FORM, "csrf_token": token}, headers=headers)
    assert set(statuses.values()) == {403}, statuses
    assert fingerprint(app) == before


@practice("cross_origin")
@asvs("3.5.1")
def test_another_origin_is_refused_before_routing(victim: Browser) -> None:
    for path in ("/nothing-here", "/static/app.css", "/auth/logout/"):
        assert victim.post(path, headers=CROSS_SITE["cross-site"]).status_code == 403


@practice("cross_origin")
def test_another_origin_cannot_use_up_the_visitors_limits(browser: Browser) -> None:
    for _ in range(12):
        browser.post(SIGN_IN, FORM, headers=CROSS_SITE["cross-site"])
    assert browser.submit(SIGN_IN, FORM).status_code == 401  # and not 429


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
def test_without_our_referrer_nothing_is_done(
    app: Flask, victim: Browser, headers: dict[str, str | None]
) -> None:
    # A client that sends neither Sec-Fetch-Site nor Origin: the token's own checks decide.
    token = csrf_token(victim.get("/notes/new"))
    before = fingerprint(app)
    silent = {"Sec-Fetch-Site": None, "Origin": None, **headers}
    statuses = attack_every_route(app, victim, data={**FORM, "csrf_token": token}, headers=silent)
    assert set(statuses.values()) == {400}, statuses
    assert fingerprint(app) == before


@asvs("3.5.3")
def test_reading_changes_nothing(app: Flask, victim: Browser) -> None:
    before = fingerprint(app)
    for route in routes(app):
        if route.method in ("GET", "HEAD"):
            path = route.path(own_id(app, route, victim.email))
            victim.open(route.method, path, query_string=FORM)
    assert fingerprint(app) == before


@asvs("3.5.3")
@pytest.mark.parametrize("override", ["_method", "X-HTTP-Method-Override"])
def test_no_way_to_disguise_a_post_as_a_get(app: Flask, victim: Browser, override: str) -> None:
    before = fingerprint(app)
    path = next(r for r in unsafe_routes(app) if r.endpoint == "notes.delete")
    path_of_note = path.path(own_id(app, path, victim.email))
    victim.get(path_of_note, query_string={override: "POST"}, headers={override: "POST"})
    assert fingerprint(app) == before


@asvs("3.5.1")
def test_every_form_carries_a_token(app: Flask, victim: Browser, browser: Browser) -> None:
    forms = 0
    for visitor in (victim, browser):
        for route in routes(app):
            if route.method != "GET" or route.endpoint == "static":
                continue
            page = visitor.get(route.path(own_id(app, route, victim.email)))
            for form in html(page).css("form"):
                assert form.attributes.get("method", "").lower() == "post", route
                assert form.css_first("input[name=csrf_token][type=hidden]"), route
                forms += 1
    assert forms >= 12


@practice("cross_origin")
def test_a_browser_that_sends_no_fetch_metadata_still_works(victim: Browser) -> None:
    shown = victim.get("/notes/new")
    data = {"title": "T", "body": "B", "csrf_token": csrf_token(shown)}
    for missing in ({"Sec-Fetch-Site": None}, {"Sec-Fetch-Site": None, "Origin": None}):
        assert victim.post("/notes/new", data, headers=missing).status_code == 302


def test_our_own_referrer_policy_lets_the_forms_work(browser: Browser) -> None:
    # With "no-referrer" every browser would leave out the Referer that Flask-WTF asks for.
    assert browser.get("/").headers["Referrer-Policy"] == "strict-origin-when-cross-origin"


def test_an_open_form_survives_one_key_rotation(
    app: Flask, victim: Browser, make_app: Callable[..., Flask]
) -> None:
    cookie, token = victim.cookie(), csrf_token(victim.get("/notes/new"))
    keys = [secrets.token_urlsafe(48) for _ in range(2)]
    once = make_app(SECRET_KEY=keys[0], SECRET_KEY_FALLBACKS=str(app.secret_key))
    twice = make_app(SECRET_KEY=keys[1], SECRET_KEY_FALLBACKS=keys[0])
    data = {"title": "Written before", "body": "the rotation", "csrf_token": token}
    visitor = Browser(once)
    visitor.set_cookie(cookie)
    assert visitor.post("/notes/new", data).status_code == 302
    visitor = Browser(twice)
    visitor.sign_in(victim.email)
    assert visitor.post("/notes/new", data).status_code == 400


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


def test_no_exemption_of_flask_wtf_has_an_effect(
    app: Flask, victim: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    exempting = CSRFProtect()
    exempting.exempt("app.notes.views.delete")
    exempting.exempt(app.blueprints["notes"])
    monkeypatch.setattr(csrf, "csrf_protect", exempting)
    test_without_a_token_nothing_is_done(app, victim)


@practice("cross_origin")
def test_start_up_notices_a_missing_gate(app: Flask) -> None:
    app.before_request_funcs[None].clear()
    assert [line for line in check(app) if "requests of other origins" in line]
