"""Actions of an app with second factors; see :mod:`tests.actions`."""

from __future__ import annotations

from typing import Any

from werkzeug.test import TestResponse

from tests.browser import API, SIGNED_IN, Browser

FACTORS = f"{API}/me/second-factors"
APP, CODES, PASSKEYS = f"{FACTORS}/app", f"{FACTORS}/recovery-codes", f"{FACTORS}/passkeys"
SECOND_STEP, ALONE = f"{API}/auth/second-factor", f"{API}/auth/passkey"
STEP_UP = f"{API}/me/step-up"


def begin_app(browser: Browser) -> tuple[TestResponse, str]:
    """Ask for the secret of a new authenticator app; the answer, and the secret."""
    begun = browser.post(APP)
    return begun, begun.json.get("secret", "")


def confirm_app(browser: Browser, code: str) -> TestResponse:
    """Send the first code of the app; the session gets new tokens."""
    return browser.keep(browser.send("PUT", APP, {"code": code, **browser.known()}))


def shown_codes(response: TestResponse) -> list[str]:
    """The recovery codes of an answer."""
    return list(response.json.get("recovery_codes", []))


def remove_app(browser: Browser) -> TestResponse:
    return browser.open("DELETE", APP)


def new_recovery_codes(browser: Browser) -> TestResponse:
    return browser.post(CODES)


def password_step(browser: Browser, email: str, password: str) -> TestResponse:
    """The first step of a sign-in; the app keeps the ticket of the second."""
    response = browser.sign_in(email, password)
    if needs_second_step(response):
        browser.ticket = response.json["ticket"]
    return response


def needs_second_step(response: TestResponse) -> bool:
    """Whether the password was right, and a second factor is asked for."""
    required = response.json.get("code") == "second_factor_required"
    return response.status_code == 401 and required


def code_step(browser: Browser, code: str) -> TestResponse:
    """The second step of a sign-in, by a code."""
    body = {"ticket": browser.ticket, "code": code, **browser.known()}
    return browser.keep(browser.post(SECOND_STEP, body))


def is_complete(response: TestResponse) -> bool:
    """Whether a sign-in has succeeded."""
    return response.status_code == SIGNED_IN and "access_token" in response.json


def passkey_options(browser: Browser, alone: bool = False) -> dict[str, Any]:
    """What to ask a passkey, as the second step or alone; nothing when that is refused."""
    if alone:
        return _keep_ticket(browser, browser.post(f"{ALONE}/options"))
    answer = browser.post(f"{SECOND_STEP}/options", {"ticket": browser.ticket})
    return dict(answer.json) if answer.status_code == 200 else {}


def passkey_step(browser: Browser, credential: dict[str, Any], alone: bool = False) -> TestResponse:
    """Sign in by the answer of a passkey."""
    path = ALONE if alone else f"{SECOND_STEP}/passkey"
    body = {"ticket": browser.ticket, "credential": credential, **browser.known()}
    return browser.keep(browser.post(path, body))


def new_passkey_options(browser: Browser) -> dict[str, Any]:
    """What to ask an authenticator for a new passkey; nothing when that is refused."""
    return _keep_ticket(browser, browser.post(f"{PASSKEYS}/options"))


def add_passkey(browser: Browser, credential: dict[str, Any], name: str = "Laptop") -> TestResponse:
    """Add a passkey; the session gets new tokens."""
    body = {"ticket": browser.ticket, "name": name, "credential": credential}
    return browser.keep(browser.post(PASSKEYS, body))


def passkey_ids(browser: Browser) -> list[str]:
    """The public ids of the passkeys, the oldest first."""
    return [passkey["id"] for passkey in browser.get(FACTORS).json["passkeys"]]


def remove_passkey(browser: Browser, public_id: str) -> TestResponse:
    return browser.open("DELETE", f"{PASSKEYS}/{public_id}")


def prove_by_password(browser: Browser, password: str) -> TestResponse:
    return browser.keep(browser.post(STEP_UP, {"password": password}))


def prove_by_code(browser: Browser, code: str) -> TestResponse:
    return browser.keep(browser.post(STEP_UP, {"code": code}))


def prove_by_passkey(browser: Browser, credential: dict[str, Any]) -> TestResponse:
    body = {"ticket": browser.ticket, "credential": credential}
    return browser.keep(browser.post(f"{STEP_UP}/passkey", body))


def step_up_options(browser: Browser) -> dict[str, Any]:
    """What to ask a passkey for a fresh proof; nothing when that is refused."""
    return _keep_ticket(browser, browser.post(f"{STEP_UP}/options"))


def needs_proof(response: TestResponse) -> bool:
    """Whether a fresh proof is asked for before anything else."""
    asked = str(response.headers.get("WWW-Authenticate", ""))
    return response.status_code == 401 and "insufficient_user_authentication" in asked


def _keep_ticket(browser: Browser, answer: TestResponse) -> dict[str, Any]:
    """Keep the ticket of an answer, and what to ask the authenticator."""
    if answer.status_code != 200:
        return {}
    browser.ticket = answer.json["ticket"]
    return dict(answer.json["options"])
