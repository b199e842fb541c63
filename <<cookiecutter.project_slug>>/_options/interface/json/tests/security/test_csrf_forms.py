"""Forms, and cookies: what another site can make a browser send does nothing here, token or not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from app.security import check
from app.security.csrf import refuse_forms
from tests.browser import FORM_TYPE, ORIGIN, SAMPLES, Browser
from tests.marks import asvs, practice, slow
from tests.resources import VALUES, WRITABLE, values_for
from tests.routes import fingerprint, own_path, routes
from tests.security.client import PUBLIC, encode
from tests.security.test_csrf import attack_every_route

pytestmark = practice("csrf")

FORM = VALUES | {name: value for resource in WRITABLE for name, value in resource.fields().items()}
# What a form, or a script without a preflight, can send: no other type, and no header of ours.
FORMS: dict[str, dict[str, Any]] = {
    "form": {"data": FORM, "content_type": FORM_TYPE},
    "upload": {"data": FORM, "content_type": "multipart/form-data"},
    "text": {"data": '{"title":"Planted","body":"Planted"}', "content_type": "text/plain"},
    "JSON as text": {"data": b'{"title":"a","body":"b","x="}', "content_type": "text/plain"},
    "no type": {"data": b'{"title":"Planted","body":"Planted"}'},
    "empty form": {"data": b"", "content_type": FORM_TYPE},
    "JSON as a parameter": {"data": b"{}", "content_type": "text/plain; application/json"},
}


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
@slow
def test_forms_are_refused_even_with_a_csrf_token(
    app: Flask, victim: Browser, form: dict[str, Any]
) -> None:
    before = fingerprint(app)
    assert attack_every_route(app, victim, **form) == {415}
    assert fingerprint(app) == before


@asvs("3.5.2")
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_forms_with_the_cookies_of_a_victim_are_refused(
    app: Flask, cookies: Browser, form: dict[str, Any]
) -> None:
    before = fingerprint(app)
    assert attack_every_route(app, cookies, **form) <= {401, 415}
    assert fingerprint(app) == before


@asvs("3.5.1")
def test_json_with_cookies_only_is_not_authenticated(app: Flask, cookies: Browser) -> None:
    before = fingerprint(app)
    for route in routes(app):
        if route.endpoint not in PUBLIC and route.method != "OPTIONS":
            sent = encode(values_for(route.endpoint))
            path = own_path(app, route, "alice@example.com")
            response = cookies.open(route.method, path, **sent)
            assert response.status_code == 401, route
    assert fingerprint(app) == before


def test_json_is_json_whatever_its_parameters(victim: Browser) -> None:
    for content_type in ("application/json", "application/json; charset=utf-8", "Application/JSON"):
        sent = {"data": b'{"title":"a","body":"b"}', "content_type": content_type}
        assert victim.open("POST", SAMPLES, **sent).status_code == 201, content_type


@practice("cross_origin")
def test_an_app_that_is_no_browser_and_one_on_this_origin_work(victim: Browser) -> None:
    for headers in ({}, {"Sec-Fetch-Site": "same-origin", "Origin": ORIGIN}, {"Origin": ORIGIN}):
        assert victim.post(SAMPLES, {"title": "a", "body": "b"}, headers=headers).status_code == 201


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
