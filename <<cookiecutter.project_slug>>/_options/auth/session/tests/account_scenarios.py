"""The scenarios of accounts with a password; see :mod:`tests.scenarios`."""

from __future__ import annotations

from flask import Flask

from tests.actions import revoke_sessions
from tests.address_scenario import use_address
from tests.browser import CHANGED, CONFIRM, PASSWORD, RESET, SIGNED_IN, Browser
from tests.flows import SIGN_UP, RESET, use_flow


def use_account(app: Flask, alice: Browser) -> None:
    """End other sessions, change the password and the address."""
    revoke_sessions(app, alice)
    response = alice.change_password(PASSWORD, "kelp-drizzle-9-anvil-tooth")
    assert response.status_code == CHANGED
    use_address(app, alice, "kelp-drizzle-9-anvil-tooth")
    use_mails(app, alice)
    assert alice.sign_in(alice.email, PASSWORD).status_code == SIGNED_IN
