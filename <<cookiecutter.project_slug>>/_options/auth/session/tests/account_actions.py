"""Actions of a user on an account; see :mod:`tests.actions`."""

from __future__ import annotations

from tests.actions import Send, ready
from tests.browser import PASSWORD, SIGN_UP, Browser


def ready_to_sign_up(tab: Browser, email: str) -> Send:
    return ready(tab, SIGN_UP, {"email": email, "password": PASSWORD, "confirm": PASSWORD})


def ready_to_change_password(tab: Browser, new: str) -> Send:
    fields = {"current_password": PASSWORD, "new_password": new, "confirm": new}
    return ready(tab, "/account/password", fields)


def assert_signed_out(tab: Browser) -> None:
    """It holds nothing that signs it in."""
    assert not tab.is_signed_in()
