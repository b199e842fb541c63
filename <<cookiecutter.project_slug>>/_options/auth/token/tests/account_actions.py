"""Actions of an app on an account; see :mod:`tests.actions`."""

from __future__ import annotations

from functools import partial

from werkzeug.test import TestResponse

from tests.actions import Send
from tests.browser import CHANGE_ADDRESS, NEW_ADDRESS, PASSWORD, UNDO_ADDRESS, Browser


def ready_to_change_address(client: Browser, email: str) -> Send:
    return partial(client.send, "PUT", CHANGE_ADDRESS, {"email": email})


def change_address(client: Browser, email: str) -> TestResponse:
    """Ask for a mail with a code that changes the address."""
    return ready_to_change_address(client, email)()


def ready_to_confirm_address(client: Browser, token: str) -> Send:
    return partial(client.post, NEW_ADDRESS, {"token": token})


def confirm_address(client: Browser, token: str) -> TestResponse:
    """Change the address, by the code of a mail."""
    return ready_to_confirm_address(client, token)()


def ready_to_undo_address(client: Browser, token: str, password: str) -> Send:
    return partial(client.post, UNDO_ADDRESS, {"token": token, "password": password})


def undo_address(client: Browser, token: str, password: str) -> TestResponse:
    """Undo a change of address, by the code of the notice, and set a password."""
    return ready_to_undo_address(client, token, password)()


def ready_to_change_password(client: Browser, new: str) -> Send:
    return partial(client.change_password, PASSWORD, new)


def assert_signed_out(client: Browser) -> None:
    """It holds nothing that signs it in, no token of either kind."""
    assert not client.is_signed_in()
    assert client.refresh(client.refresh_token or "x").status_code == 401


def device_tokens_of(client: Browser) -> list[str]:
    """What the app keeps, by which its device is known."""
    return [client.device_token] if client.device_token else []


def use_device_token(client: Browser, token: str) -> None:
    """Let the app send this one."""
    client.device_token = token
