"""Actions of an app on an account; see :mod:`tests.actions`."""

from __future__ import annotations

from functools import partial

from tests.actions import Send
from tests.browser import PASSWORD, Browser


def ready_to_sign_up(client: Browser, email: str) -> Send:
    return partial(client.register, email)


def ready_to_change_password(client: Browser, new: str) -> Send:
    return partial(client.change_password, PASSWORD, new)


def assert_signed_out(client: Browser) -> None:
    """It holds nothing that signs it in, no token of either kind."""
    assert not client.is_signed_in()
    assert client.refresh(client.refresh_token or "x").status_code == 401
