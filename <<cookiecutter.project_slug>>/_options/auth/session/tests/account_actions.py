"""Actions of a user on an account; see :mod:`tests.actions`."""

from __future__ import annotations

from functools import partial

from werkzeug.test import TestResponse

from tests.actions import Send, ready
from tests.browser import (
    CHANGE_ADDRESS,
    DOMAIN,
    NEW_ADDRESS,
    PASSWORD,
    PROFILE,
    SIGN_IN,
    UNDO_ADDRESS,
    Browser,
)


def ready_to_change_address(tab: Browser, email: str) -> Send:
    return ready(tab, CHANGE_ADDRESS, {"email": email}, page=PROFILE)


def change_address(tab: Browser, email: str) -> TestResponse:
    """Ask for a mail with a link that changes the address."""
    return ready_to_change_address(tab, email)()


def ready_to_confirm_address(tab: Browser, token: str) -> Send:
    # The form of another page: there is none behind a link that has ended.
    form = {"token": token, "csrf_token": tab.token(SIGN_IN)}
    return partial(tab.post, NEW_ADDRESS, form)


def confirm_address(tab: Browser, token: str) -> TestResponse:
    """Change the address, by the token of a mail."""
    return ready_to_confirm_address(tab, token)()


def ready_to_undo_address(tab: Browser, token: str, password: str) -> Send:
    form = {"token": token, "password": password, "confirm": password}
    return partial(tab.post, UNDO_ADDRESS, form | {"csrf_token": tab.token(SIGN_IN)})


def undo_address(tab: Browser, token: str, password: str) -> TestResponse:
    """Undo a change of address, by the token of the notice, and set a password."""
    return ready_to_undo_address(tab, token, password)()


def ready_to_change_password(tab: Browser, new: str) -> Send:
    fields = {"current_password": PASSWORD, "new_password": new, "confirm": new}
    return ready(tab, "/account/password", fields)


def assert_signed_out(tab: Browser) -> None:
    """It holds nothing that signs it in."""
    assert not tab.is_signed_in()


def device_tokens_of(tab: Browser) -> list[str]:
    """What the browser keeps, by which it is known; the last used first."""
    cookie = tab.client.get_cookie("__Host-device", DOMAIN)
    return cookie.value.split(".") if cookie else []


def use_device_token(tab: Browser, *tokens: str) -> None:
    """Let the browser send these, and no others."""
    tab.client.set_cookie("__Host-device", ".".join(tokens), domain=DOMAIN, secure=True)
