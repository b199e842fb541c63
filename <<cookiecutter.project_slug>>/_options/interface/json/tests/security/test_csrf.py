"""CSRF: what another site can make a signed-in user's browser send must change nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from app.security import check
from app.security.csrf import refuse_forms
from tests.browser import API, FORM_TYPE, NOTES, ORIGIN, PASSWORD, SIGN_IN, Browser
from tests.marks import asvs, practice
from tests.routes import fingerprint, own_id, routes, unsafe_routes

BODY = {
    "email": "new@example.com",
    "password": PASSWORD,
    "current_password": PASSWORD,
    "new_password": "another-lantern-orbit-7-thistle",
    "title": "Planted",
    "body": "Planted",
    "version": 1,
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
# What a form, or a script without a preflight, can send: no other type, and no header of ours.
FORMS: dict[str, dict[str, Any]] = {
    "form": {"data": BODY, "content_type": FORM_TYPE},
    "upload": {"data": BODY, "content_type": "multipart/form-data"},
    "text": {"data": '{"title":"Planted","body":"Planted"}', "content_type": "text/plain"},
    "JSON as text": {"data": b'{"title":"a","body":"b","x="}', "content_type": "text/plain"},
    "no type": {"data": b'{"title":"Planted","body":"Planted"}'},
    "empty form": {"data": b"", "content_type": FORM_TYPE},
    "JSON as a parameter": {"data": b"{}", "content_type": "text/plain; application/json"},
}


def attack_every_route(app: Flask, victim: Browser, **kwargs: Any) -> dict[str, int]:
    """Send to every unsafe route; the status by route."""
    statuses = {}
    for route in unsafe_routes(app):
        path = route.path(own_id(app, route, "alice@example.com"))
        response = victim.open(route.method, path, **kwargs)
        statuses[f"{route.method} {route.rule}"] = response.status_code
    assert len(statuses) >= 8
    return statuses


@pytest.fixture
def victim(alice: Browser) -> Browser:
    alice.write_note()
    return alice


@pytest.fixture
def cookies(app: Flask, victim: Browser) -> Browser:
    """The victim's browser as another site uses it: every cookie comes along, no token does."""
    browser = Browser(app, "203.0.113.1")
    browser.client = app.test_client()
    for name in ("__Host-session", "session", "access_token", "token", "Authorization", "sid"):
        for value in (victim.access_token, f"Bearer {victim.access_token}", victim.refresh_token):
            browser.client.set_cookie(name, value, domain="service.test", secure=True)
    return browser


@asvs("3.5.2")
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_no_form_does_anything_even_with_a_token(
    app: Flask, victim: Browser, form: dict[str, Any]
) -> None:
    before = fingerprint(app)
    statuses = attack_every_route(app, victim, **form)
    assert set(statuses.values()) == {415}, statuses
    assert fingerprint(app) == before


@asvs("3.5.2")
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_the_victims_cookies_do_not_help(
    app: Flask, cookies: Browser, form: dict[str, Any]
) -> None:
    before = fingerprint(app)
    statuses = attack_every_route(app, cookies, **form)
    assert set(statuses.values()) <= {401, 415}, statuses
    assert fingerprint(app) == before


@asvs("3.5.1")
def test_json_with_cookies_alone_is_nobodys(app: Flask, cookies: Browser) -> None:
    before = fingerprint(app)
    for route in routes(app):
        if route.endpoint.startswith(("notes.", "me.")) and route.method != "OPTIONS":
            path = route.path(own_id(app, route, "alice@example.com"))
            response = cookies.send(route.method, path, {"title": "a", "body": "b"})
            assert response.status_code == 401, route
    assert fingerprint(app) == before


@practice("cross_origin")
@asvs("3.5.1", "3.5.2")
@pytest.mark.parametrize("headers", CROSS_SITE.values(), ids=CROSS_SITE)
def test_another_origin_is_refused_even_with_a_token(
    app: Flask, victim: Browser, headers: dict[str, str | None]
) -> None:
    before = fingerprint(app)
    json = {"data": b"{}", "content_type": "application/json"}
    statuses = attack_every_route(app, victim, headers=headers, **json)
    assert set(statuses.values()) == {403}, statuses
    assert fingerprint(app) == before


@practice("cross_origin")
@asvs("3.5.1")
def test_another_origin_is_refused_before_routing(victim: Browser) -> None:
    for path in ("/nothing-here", f"{API}/nothing", f"{NOTES}/"):
        assert victim.post(path, headers=CROSS_SITE["cross-site"]).status_code == 403


@practice("cross_origin")
def test_another_origin_cannot_use_up_the_visitors_limits(browser: Browser) -> None:
    for _ in range(12):
        browser.post(SIGN_IN, BODY, headers=CROSS_SITE["cross-site"])
    assert browser.sign_in("a@example.com").status_code == 401  # and not 429


@asvs("3.5.3")
def test_reading_changes_nothing(app: Flask, victim: Browser) -> None:
    before = fingerprint(app)
    for route in routes(app):
        if route.method in ("GET", "HEAD"):
            path = route.path(own_id(app, route, victim.email))
            victim.open(route.method, path, query_string={k: str(v) for k, v in BODY.items()})
    assert fingerprint(app) == before


@asvs("3.5.3")
@pytest.mark.parametrize("override", ["_method", "X-HTTP-Method-Override"])
def test_no_way_to_disguise_a_method(app: Flask, victim: Browser, override: str) -> None:
    before = fingerprint(app)
    for route in unsafe_routes(app):
        path = route.path(own_id(app, route, victim.email))
        sent = {override: route.method}
        victim.get(path, query_string=sent, headers=sent)
    assert fingerprint(app) == before


def test_json_is_json_whatever_its_parameters(victim: Browser) -> None:
    for content_type in ("application/json", "application/json; charset=utf-8", "Application/JSON"):
        sent = {"data": b'{"title":"a","body":"b"}', "content_type": content_type}
        assert victim.open("POST", NOTES, **sent).status_code == 201, content_type


@practice("cross_origin")
def test_an_app_that_is_no_browser_and_one_on_this_origin_work(victim: Browser) -> None:
    for headers in ({}, {"Sec-Fetch-Site": "same-origin", "Origin": ORIGIN}, {"Origin": ORIGIN}):
        assert victim.post(NOTES, {"title": "a", "body": "b"}, headers=headers).status_code == 201


@asvs("3.5.1", "16.3.3")
def test_a_form_that_is_added_one_day_needs_a_token(
    app: Flask, victim: Browser, log: Callable[[], list[dict[str, Any]]]
) -> None:
    app._got_first_request = False
    app.add_url_rule("/admin", "admin", lambda: "done", methods=["POST"])
    log()
    for sent in ({}, {"data": {"csrf_token": "x"}}, {"json": {"csrf_token": "x"}}):
        response = victim.open("POST", "/admin", **sent)
        assert (response.status_code, response.content_type) == (400, "application/problem+json")
        assert "csrf" not in response.text.lower()
    assert [line["event"] for line in log()].count("malicious_csrf") == 3


def test_start_up_notices_that_forms_are_let_in(app: Flask) -> None:
    assert list(check(app)) == []
    app.before_request_funcs[None].remove(refuse_forms)
    assert [line for line in check(app) if "forms are accepted" in line]


@pytest.mark.parametrize(
    ("setting", "value"), [("WTF_CSRF_SSL_STRICT", False), ("WTF_CSRF_METHODS", {"POST"})]
)
def test_start_up_notices_a_weaker_token(app: Flask, setting: str, value: object) -> None:
    app.config[setting] = value
    assert [line for line in check(app) if setting in line]


@practice("cross_origin")
def test_start_up_notices_a_missing_gate(app: Flask) -> None:
    app.before_request_funcs[None].clear()
    assert [line for line in check(app) if "requests of other origins" in line]
