"""The scenarios of accounts with a password; see :mod:`tests.scenarios`."""

from __future__ import annotations

from flask import Flask

from tests.actions import revoke_sessions
from tests.address_scenario import use_address
from tests.browser import (
    ASKED,
    CHANGED,
    CONFIRM,
    PASSWORD,
    PASSWORD_SET,
    RESET,
    SIGNED_IN,
    Browser,
    link_query,
)
from tests.factor_scenario import use_factors
from tests.mailbox import newest_token
from tests.password_actions import ask_for_reset, set_password

NEW_PASSWORD = "kelp-drizzle-9-anvil-tooth"


def use_account(app: Flask, alice: Browser) -> None:
    """End other sessions, change password and address, use second factors, forget the password."""
    revoke_sessions(app, alice)
    assert alice.change_password(PASSWORD, NEW_PASSWORD).status_code == CHANGED
    use_address(app, alice, NEW_PASSWORD)
    use_factors(app, alice, NEW_PASSWORD)
    assert alice.get(CONFIRM + link_query(app, "links.confirm", alice.email)).status_code == 200
    assert ask_for_reset(alice, alice.email).status_code == ASKED
    token = newest_token(app, alice.email)
    assert alice.get(f"{RESET}?token={token}").status_code == 200
    assert set_password(alice, token, NEW_PASSWORD).status_code == PASSWORD_SET
    assert alice.sign_in(alice.email, NEW_PASSWORD).status_code == SIGNED_IN
