"""The content headers, exactly, of every kind of answer: none is of use as a page."""

from __future__ import annotations

import re

from tests.browser import API, FORGOT, PASSWORD, RESET, SAMPLES, Browser
from tests.mailbox import newest_token
from tests.marks import asvs, practice
from tests.resources import NEW_PASSWORD
from tests.security.sent_headers import EVERYWHERE, JSON, PROBLEM
from tests.security.test_headers import headers

pytestmark = practice("headers")


@asvs("3.2.1", "3.4.4", "3.4.5", "3.4.6", "3.5.8", "4.1.1")
def test_answers(alice: Browser) -> None:
    path = alice.write()
    for read in (SAMPLES, path, f"{API}/me", f"{API}/openapi.json", "/healthz", "/readyz"):
        assert headers(alice.get(read)) == JSON, read
    created = headers(alice.post(SAMPLES, {"title": "a", "body": "b"}))
    assert re.fullmatch(rf"{SAMPLES}/[\w-]{{22}}", created.pop("Location"))
    assert created == JSON


@asvs("14.3.2")
def test_tokens_are_not_kept(alice: Browser) -> None:
    # RFC 6749, section 5.1
    for response in (
        alice.sign_in(alice.email),
        alice.refresh(),
        alice.change_password(PASSWORD, NEW_PASSWORD),
        alice.register("carol@example.com"),
    ):
        assert {"access_token", "device_token"} & response.json.keys()
        assert headers(response) == JSON


@asvs("3.4.4", "3.4.6")
def test_no_content(alice: Browser) -> None:
    path = alice.write()
    assert headers(alice.open("DELETE", path)) == EVERYWHERE
    assert headers(alice.post(FORGOT, {"email": alice.email})) == EVERYWHERE
    assert headers(alice.sign_out()) == EVERYWHERE
    code = newest_token(alice.app, alice.email)
    assert headers(alice.choose_password(RESET, code, NEW_PASSWORD)) == EVERYWHERE


def test_a_refused_token(browser: Browser) -> None:
    refused = {**PROBLEM, "WWW-Authenticate": "Bearer realm=api, error=invalid_token"}
    assert headers(browser.get(SAMPLES, headers={"Authorization": "Bearer x"})) == refused
    assert headers(browser.refresh("x")) == refused


def test_the_answer_does_not_depend_on_what_a_client_prefers(browser: Browser) -> None:
    for accept in ("text/html", "image/png", "*/*", "application/xml", ""):
        assert headers(browser.get("/nothing", headers={"Accept": accept})) == PROBLEM
        assert headers(browser.get("/healthz", headers={"Accept": accept})) == JSON
