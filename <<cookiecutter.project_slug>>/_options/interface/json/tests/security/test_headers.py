"""The content headers, exactly, on every kind of response: no answer is of use as a page."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.security import check
from tests.browser import API, NOTES, PASSWORD, SIGN_IN, Browser
from tests.marks import asvs
from tests.security.test_errors import break_every_view

# Written out, not imported: what is sent is compared with what was meant.
CSP = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox"
EVERYWHERE = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Permitted-Cross-Domain-Policies": "none",
    "Cache-Control": "no-store",
}
JSON = {**EVERYWHERE, "Content-Type": "application/json"}
PROBLEM = {**EVERYWHERE, "Content-Type": "application/problem+json"}


def headers(response: TestResponse) -> dict[str, str]:
    """All headers but those that differ from one response to the next, which are checked here."""
    found = dict(response.headers)
    assert len(found) == len(list(response.headers)), "a header was sent twice"
    assert re.fullmatch("[0-9a-f]{32}", found.pop("X-Request-ID"))
    length = found.pop("Content-Length", None)
    assert length in (None, str(len(response.data)))
    return found


@asvs("3.2.1", "3.4.4", "3.4.5", "3.4.6", "3.5.8", "4.1.1")
def test_answers(alice: Browser) -> None:
    path = alice.write_note()
    for read in (NOTES, path, f"{API}/me", f"{API}/openapi.json", "/healthz", "/readyz"):
        assert headers(alice.get(read)) == JSON, read
    created = headers(alice.post(NOTES, {"title": "a", "body": "b"}))
    assert re.fullmatch(rf"{NOTES}/[\w-]{{22}}", created.pop("Location"))
    assert created == JSON


@asvs("14.3.2")
def test_tokens_are_not_kept(alice: Browser) -> None:
    # RFC 6749, section 5.1
    for response in (
        alice.sign_in(alice.email),
        alice.refresh(),
        Browser(alice.app).register("carol@example.com"),
        alice.change_password(PASSWORD, "kelp-drizzle-9-anvil-tooth"),
    ):
        assert "access_token" in response.json
        assert headers(response) == JSON


@asvs("3.4.4", "3.4.6")
def test_no_content(alice: Browser) -> None:
    path = alice.write_note()
    assert headers(alice.open("DELETE", path)) == EVERYWHERE
    assert headers(alice.sign_out()) == EVERYWHERE


def test_security_txt(browser: Browser) -> None:
    plain = {**EVERYWHERE, "Content-Type": "text/plain; charset=utf-8"}
    assert headers(browser.get("/.well-known/security.txt")) == plain


@asvs("3.2.1", "3.4.4", "3.4.5", "3.4.6", "3.5.8", "4.1.1")
def test_errors(app: Flask, browser: Browser, alice: Browser) -> None:
    wrong = {"email": alice.email, "password": PASSWORD[:-1]}
    challenge = {**PROBLEM, "WWW-Authenticate": "Bearer realm=api"}
    refused = {**PROBLEM, "WWW-Authenticate": "Bearer realm=api, error=invalid_token"}
    assert headers(browser.get("/nothing")) == PROBLEM
    assert headers(alice.get("/nothing")) == PROBLEM
    assert headers(alice.get(f"{NOTES}/{'A' * 22}")) == PROBLEM
    assert headers(alice.post(NOTES)) == PROBLEM
    assert headers(browser.post(NOTES)) == challenge
    assert headers(browser.get(NOTES, headers={"Authorization": "Bearer x"})) == refused
    assert headers(browser.post(SIGN_IN, wrong)) == challenge
    assert headers(browser.refresh("x")) == refused
    assert headers(browser.post("/", headers={"Sec-Fetch-Site": "cross-site"})) == PROBLEM
    assert headers(browser.get("/", headers={"X-Forwarded-Proto": "http"})) == PROBLEM
    assert headers(browser.get("/", base_url="https://evil.example")) == PROBLEM
    not_allowed = headers(browser.open("TRACE", NOTES))
    assert set(not_allowed.pop("Allow").split(", ")) == {"GET", "HEAD", "OPTIONS", "POST"}
    assert not_allowed == PROBLEM
    break_every_view(app)
    assert headers(browser.get("/healthz")) == PROBLEM


def test_the_answer_does_not_depend_on_what_a_client_prefers(browser: Browser) -> None:
    for accept in ("text/html", "image/png", "*/*", "application/xml", ""):
        assert headers(browser.get("/nothing", headers={"Accept": accept})) == PROBLEM
        assert headers(browser.get("/healthz", headers={"Accept": accept})) == JSON


@pytest.mark.parametrize(
    ("policy", "problem"),
    [
        ("", "does not start from default-src 'none'"),
        ("default-src 'self'", "does not start from default-src 'none'"),
        (
            "default-src 'none'; script-src 'unsafe-inline'",
            "allows inline, data: or foreign content",
        ),
        ("default-src 'none'; img-src *", "allows inline, data: or foreign content"),
    ],
)
def test_start_up_notices_an_open_policy(app: Flask, policy: str, problem: str) -> None:
    assert list(check(app)) == []
    app.config["CONTENT_HEADERS"]["Content-Security-Policy"] = policy
    assert list(check(app)) == [f"the Content-Security-Policy {problem}"]
