"""The scenarios of accounts with a password; see :mod:`tests.scenarios`."""

from __future__ import annotations

from flask import Flask

from tests.actions import revoke_sessions
from tests.browser import CHANGED, PASSWORD, Browser


def use_account(app: Flask, alice: Browser) -> None:
    """End other sessions and change the password."""
    revoke_sessions(app, alice)
    response = alice.change_password(PASSWORD, "kelp-drizzle-9-anvil-tooth")
    assert response.status_code == CHANGED
