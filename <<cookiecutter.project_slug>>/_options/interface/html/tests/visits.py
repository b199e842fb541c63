"""Everything that these pages are for, done once: for tests that look at what it costs."""

from __future__ import annotations

from flask import Flask
from werkzeug.test import TestResponse

from tests.account_visits import visit_account
from tests.browser import Browser, html


def visit(app: Flask, alice: Browser) -> None:
    """Ask for every route; ``alice`` is signed in and has more than a page of notes."""
    for path in ("/", "/healthz", "/readyz", "/.well-known/security.txt", "/auth/login"):
        succeed(alice.get(path))
    older = html(alice.get("/notes/")).css_first('a[href^="/notes/?before="]')
    succeed(alice.get(str(older.attributes["href"])))
    note = alice.write_note()
    succeed(alice.get(note))
    succeed(alice.submit(f"{note}/edit", {"title": "B", "body": "B", "version": 1}))
    succeed(alice.submit(f"{note}/delete", {}, page=note))

    for which in ("one", "all"):
        succeed(Browser(app, "198.51.100.8").sign_in(alice.email))
        shown = html(alice.get("/account/"))
        actions = [form.attributes["action"] for form in shown.css("main form[action$=revoke]")]
        action = str(actions[0]) if which == "one" else "/account/sessions/revoke-others"
        succeed(alice.submit(action, {}, page="/account/"))
    visit_account(app, alice)
    succeed(alice.sign_out())


def succeed(response: TestResponse) -> TestResponse:
    assert response.status_code < 400, html(response).body.text()
    return response
