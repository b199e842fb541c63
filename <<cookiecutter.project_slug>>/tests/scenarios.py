"""Scenarios: each feature of the service, used once, for tests of its cost."""

from __future__ import annotations

from flask import Flask
from werkzeug.test import TestResponse

from tests.account_scenarios import use_account
from tests.actions import PUBLIC_PATHS, edit, older_notes, remove
from tests.browser import Browser


def use_everything(app: Flask, alice: Browser) -> None:
    """Ask for every route; ``alice`` is signed in and has more than a page of notes."""
    for path in (*PUBLIC_PATHS, "/healthz", "/readyz", "/.well-known/security.txt"):
        succeed(alice.get(path))
    succeed(alice.get(older_notes(alice)))
    note = alice.write_note()
    succeed(alice.get(note))
    succeed(edit(alice, note, "B"))
    succeed(remove(alice, note))
    use_account(app, alice)
    succeed(alice.sign_out())


def succeed(response: TestResponse) -> None:
    assert response.status_code < 400, response.text
