"""The scenarios of accounts and tokens; see :mod:`tests.scenarios`."""

from __future__ import annotations

from flask import Flask

from tests.address_scenario import use_address
from tests.browser import API, CHANGED, PASSWORD, SIGNED_IN, Browser

NEW_PASSWORD = "kelp-drizzle-9-anvil-tooth"


def use_account(app: Flask, alice: Browser) -> None:
    """Read the account, refresh, change the password and the address, sign in after a theft."""
    assert alice.get(f"{API}/me").status_code == 200
    assert alice.refresh().status_code == SIGNED_IN
    assert alice.change_password(PASSWORD, NEW_PASSWORD).status_code == CHANGED
    use_address(app, alice, NEW_PASSWORD)
    used = alice.refresh_token
    assert alice.refresh().status_code == SIGNED_IN
    assert alice.refresh(used).status_code == 401  # the second use ends the sign-in
    assert alice.sign_in(alice.email, NEW_PASSWORD).status_code == SIGNED_IN
