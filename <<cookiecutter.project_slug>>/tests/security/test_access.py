"""Insecure direct object references: two users and nobody, over every route and method."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from app.auth.models import Session, User
from app.database import db, now
from app.secret import Secret
from app.security import check
from app.security.access import is_public
from tests.actions import ABSOLUTE_TIMEOUT, IDLE_TIMEOUT
# <% if cookiecutter.__interface == "json" %>
from tests.browser import PROFILE, SIGN_UP, WRITTEN, Browser
# <% else %>
from tests.browser import PROFILE, WRITTEN, Browser, html
# <% endif %>
from tests.marks import asvs, slow
from tests.resources import (
    EDITED,
    RESOURCES,
    WRITABLE,
    Resource,
    add,
    add_all,
    rows,
    values_for,
)
from tests.routes import UNKNOWN, fingerprint, own_id, own_path, routes
from tests.security.answers import assert_challenged, text_of, without_request_id
from tests.security.client import (
    CHANGED_ROW,
    OTHER_ANSWERS,
    PRIVATE,
    PUBLIC,
    UNKNOWN_FIELD,
    encode,
    fields_of_routes,
    proof,
)
from tests.security.writing import Writer

OWNED = {endpoint for resource in RESOURCES for endpoint in resource.routes}
# A field that no client may write: each column that is not described, and other names of it.
UNWRITABLE = [
    pytest.param(resource, name, id=f"{resource}-{name}")
    for resource in WRITABLE
    for name in sorted({"user_id", "owner", "user", *resource.model.__table__.c.keys()})
    if name not in resource.fields()
]


@asvs("8.2.1")
def test_every_route_is_classified(app: Flask) -> None:
    assert {route.endpoint for route in routes(app)} == PUBLIC | PRIVATE | OWNED
    assert {e for e in app.view_functions if is_public(app, e)} == PUBLIC
    assert {route.endpoint for route in routes(app) if route.names_an_object} <= OWNED


@asvs("8.2.1", "8.3.1")
def test_nobody_gets_into_a_private_route(app: Flask, alice: Browser, browser: Browser) -> None:
    add_all(app, alice.email, "Alice's text")
    before = fingerprint(app)
    headers = proof(browser)
    for route in routes(app):
        if route.endpoint not in PRIVATE | OWNED:
            continue
        sent = encode(values_for(route.endpoint))
        path = own_path(app, route, alice.email)
        response = browser.open(route.method, path, headers=headers, **sent)
        assert_challenged(response, route.method)
        assert "Alice" not in response.text, route
    assert fingerprint(app) == before


@asvs("8.2.1")
def test_a_route_that_nobody_marked_is_private(app: Flask, browser: Browser) -> None:
    app._got_first_request = False
    app.add_url_rule("/forgotten", "forgotten", lambda: "open to the world")
    assert_challenged(browser.get("/forgotten"), "GET")


@asvs("8.2.2", "8.3.1")
@slow
def test_a_foreign_object_and_a_missing_one_are_the_same_404(
    app: Flask, alice: Browser, bob: Browser
) -> None:
    # Bob has rows and a valid token: what stops him is whose the object is.
    for user in (alice, bob):
        for resource in RESOURCES:
            add(app, resource, user.email, f"The text of {user.email}")
    headers, taken = proof(bob), fields_of_routes(app, bob, bob)
    before = fingerprint(app)
    attacked = set()
    for route in routes(app):
        if not route.names_an_object or route.method == "OPTIONS":
            continue
        foreign_id = own_id(app, route, alice.email)
        assert foreign_id != UNKNOWN
        values = values_for(route.endpoint)
        sent = encode({name: values[name] for name in taken.get(route.endpoint, set())})
        answers = []
        for public_id in (foreign_id, UNKNOWN, secrets.token_urlsafe(16)):
            answer = bob.open(route.method, route.path(public_id), headers=headers, **sent)
            assert answer.status_code == 404, route
            answers.append((answer.status, without_request_id(answer)))
        assert len(set(answers)) == 1, route
        attacked.add(route)
    assert len(attacked) >= 4
    assert fingerprint(app) == before


def test_the_owner_gets_in_everywhere(app: Flask, alice: Browser) -> None:
    add_all(app, alice.email)
    for route in routes(app):
        if route.method == "GET" and route.endpoint != "static":
            expected = OTHER_ANSWERS.get(route.endpoint, 200)
            assert alice.get(own_path(app, route, alice.email)).status_code == expected, route


@asvs("8.2.2")
def test_lists_contain_only_rows_of_the_user(app: Flask, alice: Browser, bob: Browser) -> None:
    for user, name in ((alice, "Alice"), (bob, "Bob")):
        add_all(app, user.email, f"{name}'s text")
    lists = [r for r in routes(app) if r.method == "GET" and not r.names_an_object]
    for path in {PROFILE, *(route.path() for route in lists if route.endpoint in OWNED)}:
        shown = text_of(bob.get(path))
        for foreign in ("Alice", alice.email, alice.address):
            assert foreign not in shown, path
    for resource in WRITABLE:
        (route,) = (r for r in lists if r.endpoint == resource.pages)
        assert "Bob's text" in text_of(bob.get(route.path())) or not resource.plain
        # A foreign row as the place to go on from would tell when it was written.
        last = add(app, resource, alice.email)
        assert bob.get(f"{route.path()}?before={last}").status_code == 404
        assert alice.get(f"{route.path()}?before={last}").status_code == 200


@asvs("8.2.2")
@pytest.mark.parametrize("resource", [it for it in WRITABLE if it.plain], ids=str)
@slow
def test_signing_in_as_another_user_changes_what_is_seen(
    app: Flask, alice: Browser, bob: Browser, resource: Resource
) -> None:
    add(app, resource, alice.email, "Alice's text")
    (path,) = {route.path() for route in routes(app) if route.endpoint == resource.pages}
    assert "Alice's text" in text_of(alice.get(path))
    alice.sign_in(bob.email)
    assert "Alice's text" not in text_of(alice.get(path))


# <% if cookiecutter.__interface == "json" %>
@asvs("8.2.3", "15.3.3")
def test_nobody_makes_themselves_enabled_or_verified(app: Flask, browser: Browser) -> None:
    before = fingerprint(app)
    account = {"email": "eve@example.com"}
    for name in ("disabled_at", "id", "password", "password_hash", "created_at"):
        assert browser.post(SIGN_UP, {**account, name: None}).status_code == 422
    assert fingerprint(app) == before


# <% endif %>
@asvs("8.2.3", "15.3.3")
@pytest.mark.parametrize(("resource", "name"), UNWRITABLE)
@slow
def test_mass_assignment_changes_no_other_column(
    app: Flask, alice: Browser, bob: Browser, resource: Resource, name: str
) -> None:
    """Every route that writes ignores or refuses a field that its form or schema does not have."""

    def fixed() -> list[dict[str, Any]]:
        written = {c.name for c in resource.model.__table__.c if c.onupdate} | {*resource.fields()}
        written |= {f"{name}_html" for name in resource.rich}
        found = rows(app, resource, alice.email)
        return [{k: v for k, v in row.items() if k not in written} for row in found]

    with app.app_context():
        bobs_id = db.session.scalar(select(User.id).where(User.email == Secret(bob.email)))
    add(app, resource, alice.email)
    before = fixed()
    writer = Writer(app, alice, resource)
    assert writer.edits
    for route in writer.edits:
        response = writer.write(route, writer.fields(route, "Edited") | {name: bobs_id})
        assert response.status_code == UNKNOWN_FIELD
        assert fixed() == before
    response = writer.write(writer.create, writer.fields(writer.create) | {name: bobs_id})
    assert response.status_code == UNKNOWN_FIELD
    assert len(fixed()) == (2 if response.status_code == WRITTEN else 1)
    assert rows(app, resource, bob.email) == []


@pytest.mark.parametrize("resource", EDITED, ids=str)
def test_two_edits_of_one_row_do_not_overwrite_each_other(
    app: Flask, alice: Browser, resource: Resource
) -> None:
    add(app, resource, alice.email)
    writer = Writer(app, alice, resource)
    for text, status in (("First", CHANGED_ROW), ("Second", 409)):
        response = writer.write(writer.edits[0], resource.fields(text))
        assert response.status_code == status
    (row,) = rows(app, resource, alice.email)
    assert {row[name] for name in (*resource.plain, *resource.rich)} == {"First"}
    # <% if cookiecutter.__interface == "html" %>
    # What was typed is still there; saving it again is a decision.
    form = html(response).css_first("main form")
    assert {it.text().strip() for it in form.css("textarea")} <= {"Second"}
    assert form.css_first("input[name=version]").attributes["value"] == "2"
    # <% endif %>


@asvs("2.2.1")
@pytest.mark.parametrize("version", [-1, 0, 2, 10**30, 99999999999999999999, "", "x", None])
@pytest.mark.parametrize("resource", EDITED, ids=str)
def test_an_edit_of_another_version_is_refused(
    app: Flask, alice: Browser, resource: Resource, version: int | str | None
) -> None:
    add(app, resource, alice.email)
    writer = Writer(app, alice, resource)
    before = rows(app, resource, alice.email)
    fields = resource.fields("Edited") | {"version": version}
    if version is None:
        del fields["version"]
    response = writer.write(writer.edits[0], fields)
    assert response.status_code == (409 if isinstance(version, int) else 422)
    assert rows(app, resource, alice.email) == before


@asvs("2.2.1")
@pytest.mark.parametrize(
    "public_id",
    [
        "1",
        "0",
        "-1",
        "A" * 21,
        "A" * 23,
        "%00" + "A" * 21,
        "../" + "A" * 19,
        "A" * 21 + "%0a",
        "null",
    ],
)
def test_an_invalid_public_id_is_not_found(app: Flask, alice: Browser, public_id: str) -> None:
    named = [route for route in routes(app) if route.names_an_object and route.method == "GET"]
    assert named
    for route in named:
        assert alice.get(route.path(public_id)).status_code == 404, route


@asvs("11.5.1")
@pytest.mark.parametrize("resource", RESOURCES, ids=str)
def test_public_ids_cannot_be_guessed(app: Flask, alice: Browser, resource: Resource) -> None:
    ids = {add(app, resource, alice.email) for _ in range(20)}
    assert len(ids) == 20
    assert {len(public_id) for public_id in ids} == {22}  # 128 bits
    # A number, or a time, is the same in some of its places.
    assert min(len(set(place)) for place in zip(*ids, strict=True)) > 1


@asvs("7.3.1", "7.3.2")
@pytest.mark.parametrize(
    ("column", "timeout"), [("last_seen_at", IDLE_TIMEOUT), ("created_at", ABSOLUTE_TIMEOUT)]
)
def test_a_sign_in_deletes_no_session_that_another_user_still_has(
    app: Flask, alice: Browser, column: str, timeout: timedelta
) -> None:
    """A sign-in deletes expired sessions of all users."""
    with app.app_context():
        aged = db.session.scalars(select(Session)).one()
        setattr(aged, column, now() - timeout + timedelta(minutes=1))
        db.session.commit()
    Browser(app, "203.0.113.2").signed_in("bob@example.com")
    assert alice.is_signed_in()


def test_start_up_notices_that_routes_are_open_by_default(app: Flask) -> None:
    assert list(check(app)) == []
    app.before_request_funcs[None].clear()
    assert [line for line in check(app) if "open by default" in line]
