"""The ways from a mail to a password: somebody asks for the mail, and uses the token that it has."""

from __future__ import annotations

from werkzeug.test import TestResponse

from tests.browser import CONFIRM, FORGOT, RESET, SIGN_UP, Browser


def ask_for_account(browser: Browser, email: str) -> TestResponse:
    """Ask for a mail that opens an account."""
    return browser.ask_for_mail(SIGN_UP, email)


def open_account(browser: Browser, token: str, password: str) -> TestResponse:
    """Choose the password of a new account, by the token of a mail."""
    return browser.choose_password(CONFIRM, token, password)


def ask_for_reset(browser: Browser, email: str) -> TestResponse:
    """Ask for a mail that sets a forgotten password."""
    return browser.ask_for_mail(FORGOT, email)


def set_password(browser: Browser, token: str, password: str) -> TestResponse:
    """Set a forgotten password anew, by the token of a mail."""
    return browser.choose_password(RESET, token, password)
