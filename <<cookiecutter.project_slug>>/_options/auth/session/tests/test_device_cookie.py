"""The cookie by which a browser is known; see ``tests/security/test_devices.py``."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.account_actions import device_tokens_of, use_device_token
from tests.browser import SIGNED_IN, Browser
from tests.mailbox import mails
from tests.marks import asvs, practice
from tests.races import ALICE

pytestmark = practice("auth.devices")

BOB = "bob@example.com"


@pytest.fixture(autouse=True)
def accounts_of_two(alice: Browser, bob: Browser) -> None:
    """Alice and bob have an account; no browser is known of either."""


def notices(app: Flask, recipient: str) -> list[str]:
    return [mail.kind for mail in mails(app, recipient) if mail.kind == "new_device"]


@asvs("3.3.1", "3.3.2", "3.3.3", "3.3.4")
def test_the_cookie_has_every_protection(app: Flask) -> None:
    answer = Browser(app).sign_in(ALICE)
    (cookie,) = [it for it in answer.headers.getlist("Set-Cookie") if "device" in it]
    name, *flags = cookie.split("; ")
    assert name.startswith("__Host-device=")
    flags = [it for it in flags if not it.startswith("Expires=")]
    assert sorted(flags) == ["HttpOnly", "Max-Age=34560000", "Path=/", "SameSite=Lax", "Secure"]


def test_users_of_one_browser_are_all_known(app: Flask, browser: Browser) -> None:
    for email in (ALICE, BOB, ALICE, BOB):
        assert browser.sign_in(email).status_code == SIGNED_IN
        browser.sign_out()
    assert (len(notices(app, ALICE)), len(notices(app, BOB))) == (1, 1)
    use_device_token(browser, "y" * 2000, *("x" * 43 for _ in range(40)))
    assert browser.sign_in(ALICE).status_code == SIGNED_IN
    kept = device_tokens_of(browser)
    assert [len(token) for token in kept] == [43] * 5
