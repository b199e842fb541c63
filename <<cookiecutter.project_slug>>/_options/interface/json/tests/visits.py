"""Everything that this API is for, done once: for tests that look at what it costs."""

from __future__ import annotations

from flask import Flask
from werkzeug.test import TestResponse

from tests.browser import API, HOME, NOTES, PASSWORD, Browser


def visit(app: Flask, alice: Browser) -> None:
    """Ask for every route; ``alice`` is signed in and has more than a page of notes."""
    for path in (HOME, "/healthz", "/readyz", f"{API}/openapi.json", f"{API}/me"):
        succeed(alice.get(path))
    page = succeed(alice.get(NOTES)).json
    succeed(alice.get(f"{NOTES}?before={page['next']}"))
    note = alice.write_note()
    succeed(alice.get(note))
    succeed(alice.send("PUT", note, {"title": "B", "body": "B", "version": 1}))
    succeed(alice.open("DELETE", note))

    succeed(alice.refresh())
    succeed(alice.change_password(PASSWORD, "kelp-drizzle-9-anvil-tooth"))
    used = alice.refresh_token
    succeed(alice.refresh())
    assert alice.refresh(used).status_code == 401  # the second use ends the sign-in
    succeed(alice.sign_in(alice.email, "kelp-drizzle-9-anvil-tooth"))
    succeed(alice.sign_out())


def succeed(response: TestResponse) -> TestResponse:
    assert response.status_code < 400, response.text
    return response
