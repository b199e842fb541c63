"""Actions of a user on an account; see :mod:`tests.actions`."""

from __future__ import annotations

from werkzeug.test import TestResponse

from tests.actions import Send, ready
from tests.browser import CONFIRM, FORGOT, PASSWORD, RESET, SIGN_UP, Browser


def ask_for_account(tab: Browser, email: str) -> TestResponse:
    """Ask for a mail with a link that opens an account."""
    return tab.submit(SIGN_UP, {"email": email})


def open_account(tab: Browser, token: str, password: str) -> TestResponse:
    """Choose the password of a new account, by the token of a mail."""
    return tab.choose_password(CONFIRM, token, password)


def ask_for_reset(tab: Browser, email: str) -> TestResponse:
    """Ask for a mail with a link that sets a forgotten password."""
    return tab.submit(FORGOT, {"email": email})


def set_password(tab: Browser, token: str, password: str) -> TestResponse:
    """Set a forgotten password anew, by the token of a mail."""
    return tab.choose_password(RESET, token, password)


def ready_to_change_password(tab: Browser, new: str) -> Send:
    fields = {"current_password": PASSWORD, "new_password": new, "confirm": new}
    return ready(tab, "/account/password", fields)


def assert_signed_out(tab: Browser) -> None:
    """It holds nothing that signs it in."""
    assert not tab.is_signed_in()
