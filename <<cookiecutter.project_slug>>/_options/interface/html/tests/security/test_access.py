"""Insecure direct object references: two users and nobody, over every route and method."""

from __future__ import annotations

import secrets

import pytest
from flask import Flask
from sqlalchemy import select

from app.auth.models import User
from app.database import db
from app.notes.models import Note
from app.security import check
from app.security.access import is_public
from tests.browser import OTHER_ANSWERS, PRIVATE_ROUTES, PUBLIC_ROUTES, Browser, csrf_token, html
from tests.marks import asvs
from tests.routes import UNKNOWN, Route, fingerprint, own_id, routes

# Every route of the service. A new one is listed here on purpose, or this file fails.
PUBLIC = {
    "home",
    "auth.login",
    "auth.logout",
    *PUBLIC_ROUTES,
    "health.alive",
    "health.ready",
    "security_txt",
    "static",
}
PRIVATE = {
    "account.index",
    *PRIVATE_ROUTES,
    "account.revoke",
    "account.revoke_others",
    "notes.create",
    "notes.delete",
    "notes.edit",
    "notes.index",
    "notes.show",
}
OWNED = {"account.revoke", "notes.delete", "notes.edit", "notes.show"}


def names_an_object(route: Route) -> bool:
    return "<public_id:" in route.rule


@asvs("8.2.1")
def test_every_route_is_classified(app: Flask) -> None:
    assert {route.endpoint for route in routes(app)} == PUBLIC | PRIVATE
    assert {e for e in app.view_functions if is_public(app, e)} == PUBLIC
    assert {route.endpoint for route in routes(app) if names_an_object(route)} == OWNED


@asvs("8.2.1", "8.3.1")
def test_nobody_gets_into_a_private_route(app: Flask, alice: Browser, browser: Browser) -> None:
    alice.write_note("Alice's title")
    before = fingerprint(app)
    token = csrf_token(browser.get("/auth/login"))
    for route in routes(app):
        if route.endpoint not in PRIVATE:
            continue
        path = route.path(own_id(app, route, alice.email))
        response = browser.open(route.method, path, data={"csrf_token": token})
        if route.method in ("GET", "HEAD"):
            assert response.status_code == 302, route
            assert response.headers["Location"].startswith("/auth/login?next="), route
        else:
            assert response.status_code == 401, route
        assert "Alice" not in response.text
    assert fingerprint(app) == before


@asvs("8.2.1")
def test_a_route_that_nobody_marked_is_private(app: Flask, browser: Browser) -> None:
    app._got_first_request = False
    app.add_url_rule("/forgotten", "forgotten", lambda: "open to the world")
    assert browser.get("/forgotten").status_code == 302


@asvs("8.2.2", "8.3.1")
def test_a_foreign_object_and_a_missing_one_are_the_same_404(
    app: Flask, alice: Browser, bob: Browser
) -> None:
    alice.write_note("Alice's title", "Alice's body")
    alice_before = fingerprint(app)
    # Bob has a note and a valid token: what stops him is whose the object is.
    token = csrf_token(bob.get("/notes/new"))
    form = {"csrf_token": token, "title": "Bob", "body": "Bob", "version": "1"}
    attacked = 0
    for route in routes(app):
        if not names_an_object(route) or route.method == "OPTIONS":
            continue
        foreign_id = own_id(app, route, alice.email)
        assert foreign_id != UNKNOWN
        answers = []
        for public_id in (foreign_id, UNKNOWN, secrets.token_urlsafe(16)):
            answer = bob.open(route.method, route.path(public_id), data=form)
            assert answer.status_code == 404, route
            answers.append((answer.status, body_without_request_id(answer)))
        assert len(set(answers)) == 1, route
        attacked += 1
    assert attacked >= 7
    assert fingerprint(app) == alice_before


def body_without_request_id(response: object) -> str:
    page = html(response)  # type: ignore[arg-type]
    for code in page.css("code"):
        code.decompose()
    return str(page.html)


def test_the_owner_gets_in_everywhere(app: Flask, alice: Browser) -> None:
    alice.write_note()
    for route in routes(app):
        if route.method == "GET" and route.endpoint != "static":
            path = route.path(own_id(app, route, alice.email))
            expected = OTHER_ANSWERS.get(route.endpoint, 200)
            assert alice.get(path).status_code == expected, route


@asvs("8.2.2")
def test_lists_contain_ones_own_things_only(app: Flask, alice: Browser, bob: Browser) -> None:
    alice.write_note("Alice's title")
    path = bob.write_note("Bob's title")
    assert "Bob's title" in html(bob.get("/notes/")).body.text()
    assert "Alice" not in html(bob.get("/notes/")).body.text()
    assert "203.0.113.1" not in bob.get("/account/").text  # Alice's address
    # A foreign note as the place to go on from would tell when it was written.
    foreign = own_id(app, next(r for r in routes(app) if r.endpoint == "notes.show"), alice.email)
    assert bob.get(f"/notes/?before={foreign}").status_code == 404
    assert alice.get(f"/notes/?before={path.rpartition('/')[2]}").status_code == 404


@asvs("8.2.2")
def test_signing_in_as_another_user_changes_what_is_seen(alice: Browser, bob: Browser) -> None:
    alice.write_note("Alice's title")
    alice.sign_in(bob.email)
    assert "Alice" not in html(alice.get("/notes/")).css_first("main").text()


@asvs("8.2.3", "15.3.3")
@pytest.mark.parametrize(
    "field", ["id", "owner_id", "user_id", "public_id", "created_at", "updated_at", "owner", "user"]
)
def test_mass_assignment_changes_no_other_column(
    app: Flask, alice: Browser, bob: Browser, field: str
) -> None:
    def columns() -> dict[str, object]:
        with app.app_context():
            note = db.session.scalars(select(Note)).one()
            names = ("id", "owner_id", "public_id", "created_at")
            return {name: getattr(note, name) for name in names}

    path = alice.write_note()
    with app.app_context():
        bobs_id = db.session.scalar(select(User.id).where(User.email == bob.email))
    before = columns()
    data = {"title": "T", "body": "B", "version": "1", field: bobs_id}
    assert alice.submit(f"{path}/edit", data).status_code == 302
    assert columns() == before
    created = alice.submit("/notes/new", {"title": "T", "body": "B", field: bobs_id})
    assert created.status_code == 302
    with app.app_context():
        assert {note.owner_id for note in db.session.scalars(select(Note))} == {before["owner_id"]}


def test_two_edits_of_one_note_do_not_overwrite_each_other(alice: Browser) -> None:
    path = alice.write_note()
    first = {"title": "First", "body": "B", "version": "1"}
    assert alice.submit(f"{path}/edit", first).status_code == 302
    second = alice.submit(f"{path}/edit", {"title": "Second", "body": "Mine", "version": "1"})
    assert second.status_code == 409
    assert "First" in alice.get(path).text
    # What was typed is still there; saving it again is a decision.
    form = html(second).css_first("main form")
    assert form.css_first("textarea").text().strip() == "Mine"
    assert form.css_first("input[name=version]").attributes["value"] == "2"


@asvs("2.2.1")
@pytest.mark.parametrize("version", ["", "x", "-1", "0", "99999999999999999999", None])
def test_an_edit_without_a_good_version_is_refused(alice: Browser, version: str | None) -> None:
    path = alice.write_note()
    data = {"title": "T", "body": "B"} | ({} if version is None else {"version": version})
    assert alice.submit(f"{path}/edit", data).status_code in (409, 422)


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
def test_what_is_no_public_id_is_no_route(alice: Browser, public_id: str) -> None:
    assert alice.get(f"/notes/{public_id}").status_code == 404


@asvs("11.5.1")
def test_public_ids_cannot_be_guessed(app: Flask, alice: Browser) -> None:
    ids = {alice.write_note().rpartition("/")[2] for _ in range(20)}
    assert len(ids) == 20
    assert {len(public_id) for public_id in ids} == {22}  # 128 bits
    # A number, or a time, is the same in some of its places.
    assert min(len(set(place)) for place in zip(*ids, strict=True)) > 1


def test_start_up_notices_that_routes_are_open_by_default(app: Flask) -> None:
    assert list(check(app)) == []
    app.before_request_funcs[None].clear()
    assert [line for line in check(app) if "open by default" in line]
