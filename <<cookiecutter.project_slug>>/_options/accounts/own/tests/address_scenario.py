"""The change of an address, used once; see :mod:`tests.scenarios`."""

from __future__ import annotations

from flask import Flask

from tests.account_actions import change_address, confirm_address, undo_address
from tests.browser import NEW_ADDRESS, PAGES, SIGNED_IN, UNDO_ADDRESS, Browser
from tests.mailbox import newest_token


def use_address(app: Flask, alice: Browser, password: str) -> None:
    """Change the address, confirm it, undo that, and sign in again."""
    old, new = alice.email, f"new-{alice.email}"
    assert change_address(alice, new).status_code < 400
    token = newest_token(app, new)
    assert not PAGES or alice.get(f"{NEW_ADDRESS}?token={token}").status_code == 200
    assert confirm_address(alice, token).status_code < 400
    token = newest_token(app, old)
    assert not PAGES or alice.get(f"{UNDO_ADDRESS}?token={token}").status_code == 200
    assert undo_address(alice, token, password).status_code < 400
    assert alice.sign_in(old, password).status_code == SIGNED_IN
