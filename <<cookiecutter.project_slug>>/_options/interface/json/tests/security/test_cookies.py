"""Cookies: none is set, none is read, so none can be stolen, planted or sent along."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from flask import Flask, session
from flask.sessions import SecureCookieSessionInterface

from app.security import check
from tests import sources
from tests.browser import API, SAMPLES, Browser
from tests.marks import asvs
from tests.routes import own_path, routes

APP = Path(__file__).parents[2] / "app"
# What a browser could have kept, and an attacker could plant.
NAMES = "__Host-session session access_token refresh_token token jwt sid Authorization bearer"


@asvs("3.3.1", "3.3.2", "3.3.3", "3.3.4", "14.3.3")
def test_no_route_sets_a_cookie(app: Flask, alice: Browser, browser: Browser) -> None:
    for visitor in (browser, alice):
        for route in routes(app):
            path = own_path(app, route, alice.email)
            for response in (
                visitor.open(route.method, path),
                visitor.send(route.method, path, {}),
                visitor.open(route.method, path, headers={"Cookie": "__Host-session=x; a=b"}),
            ):
                assert "Set-Cookie" not in response.headers, route
                assert "Cookie" not in response.headers.get("Vary", ""), route


@asvs("3.5.1")
def test_no_cookie_signs_anybody_in(app: Flask, alice: Browser, browser: Browser) -> None:
    signed = SecureCookieSessionInterface().get_signing_serializer(app)
    assert signed
    values = [
        alice.access_token,
        f"Bearer {alice.access_token}",
        alice.refresh_token,
        str(signed.dumps({"sid": alice.refresh_token, "user_id": 1, "_user_id": "1"})),
    ]
    for value in values:
        cookies = "; ".join(f"{name}={value}" for name in NAMES.split())
        for path in (SAMPLES, f"{API}/me"):
            assert browser.get(path, headers={"Cookie": cookies}).status_code == 401
        sent = {"refresh_token": ""}
        refreshed = browser.post(f"{API}/auth/refresh", sent, headers={"Cookie": cookies})
        assert refreshed.status_code == 401


def test_a_cookie_does_not_change_who_is_signed_in(alice: Browser, bob: Browser) -> None:
    cookies = "; ".join(f"{name}={bob.access_token}" for name in NAMES.split())
    answer = alice.get(f"{API}/me", headers={"Cookie": cookies})
    assert answer.json["email"] == alice.email


def test_the_session_of_flask_is_empty_and_cannot_be_written(app: Flask) -> None:
    headers = {"Cookie": "__Host-session=eyJhIjoxfQ.x.y; session=eyJhIjoxfQ.x.y"}
    with app.test_request_context(base_url="https://service.test", headers=headers):
        assert dict(session) == {}
        with pytest.raises(RuntimeError):
            session["user"] = 1


def test_no_code_reads_a_cookie() -> None:
    files = sorted(APP.rglob("*.py"))
    assert len(files) > 30
    for file in files:
        for node in sources.nodes(file):
            names = [alias.name for alias in node.names] if isinstance(node, ast.ImportFrom) else []
            assert "session" not in names, file
            if isinstance(node, ast.Attribute):
                assert node.attr not in ("cookies", "set_cookie"), file


def test_start_up_notices_a_session_in_a_cookie(app: Flask) -> None:
    assert list(check(app)) == []
    app.session_interface = SecureCookieSessionInterface()
    assert [line for line in check(app) if "kept in a cookie" in line]


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
    app.config[setting] = value
    assert [line for line in check(app) if setting in line]
