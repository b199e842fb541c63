"""What is done with an account that has a password, once; see :mod:`tests.visits`."""

from __future__ import annotations

from flask import Flask

from tests.browser import CHANGED, PASSWORD, Browser


def visit_account(app: Flask, alice: Browser) -> None:
    """Change the password."""
    response = alice.change_password(PASSWORD, "kelp-drizzle-9-anvil-tooth")
    assert response.status_code == CHANGED
