"""Actions of a user with second factors; see :mod:`tests.actions`."""

from __future__ import annotations

import json
from typing import Any

from werkzeug.test import TestResponse

from tests.browser import SIGN_IN, Browser, html

FACTORS = "/account/second-factors"
APP = f"{FACTORS}/authenticator"
PASSKEYS = f"{FACTORS}/passkeys"
SECOND_STEP, ALONE = "/auth/second-factor", "/auth/passkey"
STEP_UP = "/account/step-up"


def begin_app(browser: Browser) -> tuple[TestResponse, str]:
    """Ask for the secret of a new authenticator app; the page that shows it, and the secret."""
    begun = _press(browser, f"{APP}/begin")
    if begun.headers.get("Location") != APP:
        return begun, ""
    shown = browser.get(APP)
    return shown, html(shown).css_first("#secret").text()


def confirm_app(browser: Browser, code: str) -> TestResponse:
    """Type the first code of the app."""
    return _press(browser, APP, code=code)


def shown_codes(response: TestResponse) -> list[str]:
    """The recovery codes on the page."""
    return [code.text() for code in html(response).css(".codes code")]


def remove_app(browser: Browser) -> TestResponse:
    return _press(browser, f"{APP}/remove")


def new_recovery_codes(browser: Browser) -> TestResponse:
    return _press(browser, f"{FACTORS}/recovery-codes")


def password_step(browser: Browser, email: str, password: str) -> TestResponse:
    """The first step of a sign-in."""
    return browser.sign_in(email, password)


def needs_second_step(response: TestResponse) -> bool:
    """Whether the password was right, and a second factor is asked for."""
    location = response.headers.get("Location", "")
    return response.status_code == 302 and location.startswith(SECOND_STEP)


def code_step(browser: Browser, code: str) -> TestResponse:
    """The second step of a sign-in, by a code."""
    return _press(browser, SECOND_STEP, SIGN_IN, code=code)


def is_complete(response: TestResponse) -> bool:
    """Whether a sign-in has succeeded: the page that comes next is one of a signed-in user."""
    location = response.headers.get("Location", "")
    return response.status_code == 302 and not location.startswith("/auth/")


def passkey_options(browser: Browser, alone: bool = False) -> dict[str, Any]:
    """What to ask a passkey, as the second step or alone; nothing when that is refused."""
    return _options(browser, f"{ALONE if alone else SECOND_STEP}/options", SIGN_IN)


def passkey_step(browser: Browser, credential: dict[str, Any], alone: bool = False) -> TestResponse:
    """Sign in by the answer of a passkey."""
    path = ALONE if alone else f"{SECOND_STEP}/passkey"
    return _press(browser, path, SIGN_IN, credential=json.dumps(credential))


def new_passkey_options(browser: Browser) -> dict[str, Any]:
    """What to ask an authenticator for a new passkey; nothing when that is refused."""
    return _options(browser, f"{PASSKEYS}/options")


def add_passkey(browser: Browser, credential: dict[str, Any], name: str = "Laptop") -> TestResponse:
    return _press(browser, PASSKEYS, name=name, credential=json.dumps(credential))


def passkey_ids(browser: Browser) -> list[str]:
    """The public ids of the passkeys on the page, the oldest first."""
    forms = html(browser.get(FACTORS)).css(f'main form[action^="{PASSKEYS}/"]')
    return [str(form.attributes["action"]).split("/")[-2] for form in forms]


def remove_passkey(browser: Browser, public_id: str) -> TestResponse:
    return _press(browser, f"{PASSKEYS}/{public_id}/remove")


def prove_by_password(browser: Browser, password: str) -> TestResponse:
    return _press(browser, STEP_UP, password=password)


def prove_by_code(browser: Browser, code: str) -> TestResponse:
    return _press(browser, STEP_UP, code=code)


def prove_by_passkey(browser: Browser, credential: dict[str, Any]) -> TestResponse:
    return _press(browser, f"{STEP_UP}/passkey", credential=json.dumps(credential))


def step_up_options(browser: Browser) -> dict[str, Any]:
    """What to ask a passkey for a fresh proof."""
    return _options(browser, f"{STEP_UP}/options")


def needs_proof(response: TestResponse) -> bool:
    """Whether a fresh proof is asked for before anything else."""
    location = response.headers.get("Location", "")
    return response.status_code == 302 and location.startswith(STEP_UP)


def _press(browser: Browser, path: str, page: str = STEP_UP, **fields: str) -> TestResponse:
    """Send a form, with the token of a page that always has one."""
    return browser.post(path, {**fields, "csrf_token": browser.token(page)})


def _options(browser: Browser, path: str, page: str = STEP_UP) -> dict[str, Any]:
    answer = _press(browser, path, page)
    return dict(answer.get_json()) if answer.status_code == 200 else {}
