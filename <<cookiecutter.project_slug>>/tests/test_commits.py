"""A stored change is answered with success: the service sends no query after the commit.

If the database failed at that moment, the answer would be "try again", and a user who tries again
would have it twice. Only a lost answer to the COMMIT itself leaves the result unknown.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask, g, has_request_context, request
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from app import resources
from app.auth.models import User
from app.database import db
from tests.browser import PAGES, Browser
from tests.marks import practice, slow
from tests.resources import WRITABLE
from tests.routes import unsafe_routes
from tests.sample.models import Sample
from tests.scenarios import fill, use_everything
from tests.statements import listening

pytestmark = practice("errors")

WRITES = ("INSERT", "UPDATE", "DELETE")
# An answer of the provider is marked as used before its exchange, and the challenge of a passkey or
# a try before it is judged: after a failure, start again.
# <% if cookiecutter.auth == "token" %>
# So is the last use of a personal access token, before what it asks for is read.
USED_UP = ("used_once", "UPDATE tickets", "UPDATE personal_tokens")
# <% else %>
USED_UP = ("used_once", "UPDATE tickets")
# <% endif %>


@pytest.fixture
def committed(app: Flask) -> Iterator[set[str]]:
    """The database fails from the commit of a write to the end of its request; who has written."""
    found: set[str] = set()

    def look(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if has_request_context():
            if g.get("stored"):
                raise OperationalError(statement, None, Exception("the server has gone away"))
            if statement.startswith(WRITES) and not any(it in statement for it in USED_UP):
                g.written = True

    def end(_connection: Any) -> None:
        if has_request_context() and g.get("written"):
            g.stored = True
            found.add(str(request.endpoint))

    with listening(app, before_cursor_execute=look, commit=end):
        yield found


@slow
def test_each_request_that_is_stored_answers_success(
    app: Flask, alice: Browser, committed: set[str]
) -> None:
    fill(app)
    use_everything(app, alice)  # which asserts that each request succeeds
    Browser(app, "203.0.113.3").sign_up("carol@example.com")
    writes = {route.endpoint for route in unsafe_routes(app)}
    assert committed >= {name for it in WRITABLE for name in it.routes & writes}
    assert len(committed) >= (7 if PAGES else 8)


@pytest.mark.parametrize("body", ["**B**<script>x()</script> & C", "B"])
def test_values_in_memory_match_the_stored_row(app: Flask, alice: Browser, body: str) -> None:
    """The version above all: the next change names it."""
    with app.app_context():
        owner = db.session.scalars(select(User)).one()
        row = resources.create(Sample, owner, title="A title", body=body)
        for change in ("*One*<script>x()</script>", "Two"):
            resources.update(row, row.version, title="Another", body=change)
            columns = (
                *("title", "body", "body_html", "version", "created_at", "updated_at"),
                "public_id",
            )
            answered = {name: getattr(row, name) for name in columns}
            db.session.expire(row)
            assert answered == {name: getattr(row, name) for name in columns}
        assert row.version == 3
