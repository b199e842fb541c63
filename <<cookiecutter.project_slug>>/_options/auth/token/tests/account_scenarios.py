"""The scenarios of accounts and tokens; see :mod:`tests.scenarios`."""

from __future__ import annotations

from flask import Flask

from tests.address_scenario import use_address
from tests.browser import API, ASKED, CHANGED, PASSWORD, PASSWORD_SET, SIGNED_IN, Browser
from tests.mailbox import newest_token
from tests.password_actions import ask_for_reset, set_password

NEW_PASSWORD = "kelp-drizzle-9-anvil-tooth"


def use_account(app: Flask, alice: Browser) -> None:
    """Read the account, refresh, change password and address, forget it, sign in after a theft."""
    assert alice.get(f"{API}/me").status_code == 200
    assert alice.refresh().status_code == SIGNED_IN
    assert alice.change_password(PASSWORD, NEW_PASSWORD).status_code == CHANGED
    use_address(app, alice, NEW_PASSWORD)
    assert ask_for_reset(alice, alice.email).status_code == ASKED
    code = newest_token(app, alice.email)
    assert set_password(alice, code, NEW_PASSWORD).status_code == PASSWORD_SET
    assert alice.sign_in(alice.email, NEW_PASSWORD).status_code == SIGNED_IN
    used = alice.refresh_token
    assert alice.refresh().status_code == SIGNED_IN
    assert alice.refresh(used).status_code == 401  # the second use ends the sign-in
    assert alice.sign_in(alice.email, NEW_PASSWORD).status_code == SIGNED_IN
