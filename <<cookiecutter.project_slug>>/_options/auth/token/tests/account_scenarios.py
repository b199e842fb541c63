"""The scenarios of accounts and tokens; see :mod:`tests.scenarios`."""

from __future__ import annotations

from flask import Flask

from tests.address_scenario import use_address
from tests.browser import API, ASKED, CHANGED, PASSWORD, PASSWORD_SET, SAMPLES, SIGNED_IN, Browser
from tests.factor_scenario import use_factors
from tests.mailbox import newest_token
from tests.password_actions import ask_for_reset, set_password
from tests.token_actions import TOKENS, make_token, revoke_token, script

NEW_PASSWORD = "kelp-drizzle-9-anvil-tooth"
SESSIONS = f"{API}/me/sessions"


def use_account(app: Flask, alice: Browser) -> None:
    """Read the account, refresh, change password and address, forget it, sign in after a theft."""
    assert alice.get(f"{API}/me").status_code == 200
    assert alice.refresh().status_code == SIGNED_IN
    assert alice.change_password(PASSWORD, NEW_PASSWORD).status_code == CHANGED
    use_address(app, alice, NEW_PASSWORD)
    use_factors(app, alice, NEW_PASSWORD)
    assert ask_for_reset(alice, alice.email).status_code == ASKED
    code = newest_token(app, alice.email)
    assert set_password(alice, code, NEW_PASSWORD).status_code == PASSWORD_SET
    assert alice.sign_in(alice.email, NEW_PASSWORD).status_code == SIGNED_IN
    use_personal_token(app, alice)
    end_sessions(app, alice)
    used = alice.refresh_token
    assert alice.refresh().status_code == SIGNED_IN
    assert alice.refresh(used).status_code == 401  # the second use ends the sign-in
    assert alice.sign_in(alice.email, NEW_PASSWORD).status_code == SIGNED_IN


def use_personal_token(app: Flask, alice: Browser) -> None:
    """Make a token, read with it, see it in the list, and revoke it."""
    answer = make_token(alice, "read")
    assert script(app, answer.json["token"]).get(SAMPLES).status_code == 200
    assert [row["id"] for row in alice.get(TOKENS).json["tokens"]] == [answer.json["id"]]
    assert revoke_token(alice, answer.json["id"]).status_code == 204


def end_sessions(app: Flask, alice: Browser) -> None:
    """Sign in elsewhere, see that session in the list, and end it; then all others at once."""
    other = Browser(app, "198.51.100.8")
    assert other.sign_in(alice.email, NEW_PASSWORD).status_code == SIGNED_IN
    found = alice.get(SESSIONS).json["sessions"]
    other_id = next(row["id"] for row in found if not row["current"])
    assert alice.open("DELETE", f"{SESSIONS}/{other_id}").status_code == 204
    assert alice.post(f"{SESSIONS}/revoke-others", {}).status_code == 204
