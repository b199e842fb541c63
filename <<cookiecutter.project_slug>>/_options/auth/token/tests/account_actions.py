"""Actions of an app on an account; see :mod:`tests.actions`."""

from __future__ import annotations

from functools import partial

from werkzeug.test import TestResponse

from tests.actions import Send
from tests.browser import CONFIRM, FORGOT, PASSWORD, RESET, SIGN_UP, Browser


def ask_for_account(client: Browser, email: str) -> TestResponse:
    """Ask for a mail with a code that opens an account."""
    return client.post(SIGN_UP, {"email": email})


def open_account(client: Browser, token: str, password: str) -> TestResponse:
    """Choose the password of a new account, by the code of a mail."""
    return client.choose_password(CONFIRM, token, password)


def ask_for_reset(client: Browser, email: str) -> TestResponse:
    """Ask for a mail with a code that sets a forgotten password."""
    return client.post(FORGOT, {"email": email})


def set_password(client: Browser, token: str, password: str) -> TestResponse:
    """Set a forgotten password anew, by the code of a mail."""
    return client.choose_password(RESET, token, password)


def ready_to_change_password(client: Browser, new: str) -> Send:
    return partial(client.change_password, PASSWORD, new)


def assert_signed_out(client: Browser) -> None:
    """It holds nothing that signs it in, no token of either kind."""
    assert not client.is_signed_in()
    assert client.refresh(client.refresh_token or "x").status_code == 401
