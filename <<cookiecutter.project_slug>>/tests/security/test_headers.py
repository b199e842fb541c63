"""The content headers, exactly, on every kind of response: injected markup must find no use."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.security import check
from tests.browser import PAGES, PASSWORD, WRITE, Browser
from tests.marks import asvs, slow
from tests.routes import UNKNOWN, routes
from tests.security.sent_headers import ERROR, ERROR_OF_VIEW, ERROR_TO_GUEST, TEXT
from tests.security.test_errors import break_every_view

DEVICE_COOKIE = "__Host-device="  # besides the one of the session, at a sign-in


def headers(response: TestResponse) -> dict[str, str]:
    """All headers but those that differ from one response to the next, which are checked here."""
    found = dict(response.headers)
    once = [it for it in response.headers if not it[1].startswith(DEVICE_COOKIE)]
    assert len(found) == len(once), "a header was sent twice"
    assert re.fullmatch("[0-9a-f]{32}", found.pop("X-Request-ID"))
    length = found.pop("Content-Length", None)
    assert length in (None, str(len(response.data)))
    if PAGES and "Set-Cookie" in found:
        del found["Set-Cookie"]
        (cookie,) = (value for name, value in once if name == "Set-Cookie")
        assert re.fullmatch(
            r"__Host-session=[\w.-]*;( Expires=[^;]+; Max-Age=0;)? Secure; HttpOnly; Path=/; SameSite=Lax",
            cookie,
        )
    return found


def test_security_txt(browser: Browser) -> None:
    assert headers(browser.get("/.well-known/security.txt")) == TEXT


@asvs("3.2.1", "3.4.3", "3.4.4", "3.4.5", "3.4.6", "3.4.8", "3.5.8", "4.1.1")
def test_errors(app: Flask, browser: Browser, alice: Browser) -> None:
    for user in (browser, alice):
        assert headers(user.get("/nothing")) == ERROR
    for route in routes(app):
        if route.names_an_object and route.method == "GET":
            assert headers(alice.get(route.path(UNKNOWN))) == ERROR_OF_VIEW
    assert headers(alice.post(WRITE)) == ERROR_OF_VIEW
    assert headers(browser.post(WRITE)) == ERROR_TO_GUEST
    assert headers(browser.attempt(alice.email, PASSWORD[:-1])) == ERROR_TO_GUEST
    assert headers(browser.post("/", headers={"Sec-Fetch-Site": "cross-site"})) == ERROR
    assert headers(browser.get("/", headers={"X-Forwarded-Proto": "http"})) == ERROR
    assert headers(browser.get("/", base_url="https://evil.example")) == ERROR
    not_allowed = headers(browser.open("TRACE", WRITE))
    assert set(not_allowed.pop("Allow").split(", ")) == {"GET", "HEAD", "OPTIONS", "POST"}
    assert not_allowed == ERROR
    break_every_view(app)
    assert headers(browser.get("/healthz")) == ERROR_OF_VIEW


@slow
def test_head_has_the_headers_of_get(app: Flask, browser: Browser, alice: Browser) -> None:
    """A cache and a browser may take them for those of the page."""
    changing = {"X-Request-ID", "Set-Cookie", "Date"}
    paths = {route.path(UNKNOWN) for route in routes(app) if route.method == "GET"}
    assert len(paths) > 5
    for path in (*sorted(paths), "/nothing"):
        for user in (browser, alice):
            got, asked = user.get(path), user.open("HEAD", path)
            assert (asked.status, asked.data) == (got.status, b""), path
            assert {it for it in asked.headers if it[0] not in changing} == {
                it for it in got.headers if it[0] not in changing
            }, path


@pytest.mark.parametrize(
    ("policy", "problem"),
    [
        ("", "does not start from default-src 'none'"),
        ("default-src 'self'", "does not start from default-src 'none'"),
        (
            "default-src 'none'; script-src 'unsafe-inline'",
            "allows inline, data: or foreign content",
        ),
        ("default-src 'none'; script-src data:", "allows inline, data: or foreign content"),
        ("default-src 'none'; img-src *", "allows inline, data: or foreign content"),
    ],
)
def test_start_up_notices_an_open_policy(app: Flask, policy: str, problem: str) -> None:
    assert list(check(app)) == []
    app.config["CONTENT_HEADERS"]["Content-Security-Policy"] = policy
    assert list(check(app)) == [f"the Content-Security-Policy {problem}"]
