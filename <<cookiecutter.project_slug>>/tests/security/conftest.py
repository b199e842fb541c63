"""Fixtures for the tests of several practices."""

from __future__ import annotations

import pytest
from argon2 import PasswordHasher
from flask import Flask

from app.security import passwords
from tests.browser import Browser
from tests.resources import add_all
from tests.security.entry_points import Attacker


@pytest.fixture
def attacker(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Attacker:
    """Sends attacks by the hundred. Only for this, hashing is made cheap: many accounts sign up."""
    quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(passwords, "HASHER", quick)
    return Attacker(app)


@pytest.fixture
def victim(app: Flask, alice: Browser) -> Browser:
    """A signed-in user with a row of each resource."""
    add_all(app, alice.email)
    return alice
