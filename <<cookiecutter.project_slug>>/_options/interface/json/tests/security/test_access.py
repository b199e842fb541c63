"""Insecure direct object references: two users and nobody, over every route and method."""

from __future__ import annotations

import re
import secrets
from typing import Any

import pytest
from flask import Flask

from app.security import check
from app.security.access import is_public
from tests.browser import API, NOTES, PASSWORD, Browser
from tests.marks import asvs
from tests.routes import UNKNOWN, Route, fingerprint, own_id, routes

# Every route of the service. A new one is listed here on purpose, or this file fails.
PUBLIC = {
    "auth.refresh",
    "auth.register",
    "auth.token",
    "health.alive",
    "health.ready",
    "openapi",
    "security_txt",
}
PRIVATE = {
    "auth.logout",
    "me.change_password",
    "me.profile",
    "notes.create",
    "notes.delete",
    "notes.edit",
    "notes.index",
    "notes.show",
}
OWNED = {"notes.delete", "notes.edit", "notes.show"}
NOTE = {"title": "Bob", "body": "Bob", "version": 1}


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
    for route in routes(app):
        if route.endpoint not in PRIVATE:
            continue
        path = route.path(own_id(app, route, alice.email))
        response = browser.send(route.method, path, NOTE)
        assert response.status_code == 401, route
        assert response.headers["WWW-Authenticate"].startswith("Bearer "), route
        assert "Alice" not in response.text
    assert fingerprint(app) == before


@asvs("8.2.1")
def test_a_route_that_nobody_marked_is_private(app: Flask, browser: Browser) -> None:
    app._got_first_request = False
    app.add_url_rule("/forgotten", "forgotten", lambda: "open to the world")
    assert browser.get("/forgotten").status_code == 401


@asvs("8.2.2", "8.3.1")
def test_a_foreign_object_and_a_missing_one_are_the_same_404(
    app: Flask, alice: Browser, bob: Browser
) -> None:
    alice.write_note("Alice's title", "Alice's body")
    before = fingerprint(app)
    attacked = 0
    for route in routes(app):
        if not names_an_object(route) or route.method == "OPTIONS":
            continue
        foreign_id = own_id(app, route, alice.email)
        assert foreign_id != UNKNOWN
        answers = []
        for public_id in (foreign_id, UNKNOWN, secrets.token_urlsafe(16)):
            answer = bob.send(route.method, route.path(public_id), NOTE)
            assert answer.status_code == 404, route
            answers.append((answer.status, re.sub(r"[0-9a-f]{32}", "", answer.text)))
        assert len(set(answers)) == 1, route
        attacked += 1
    assert attacked >= 4
    assert fingerprint(app) == before


def test_the_owner_gets_in_everywhere(app: Flask, alice: Browser) -> None:
    alice.write_note()
    for route in routes(app):
        if route.method == "GET":
            path = route.path(own_id(app, route, alice.email))
            assert alice.get(path).status_code == 200, route


@asvs("8.2.2")
def test_lists_contain_ones_own_things_only(app: Flask, alice: Browser, bob: Browser) -> None:
    path = alice.write_note("Alice's title")
    bob.write_note("Bob's title")
    assert [note["title"] for note in bob.get(NOTES).json["notes"]] == ["Bob's title"]
    # A foreign note as the place to go on from would tell when it was written.
    assert bob.get(f"{NOTES}?before={path.rpartition('/')[2]}").status_code == 404
    assert alice.email not in bob.get(f"{API}/me").text


@asvs("8.2.2")
def test_signing_in_as_another_user_changes_what_is_seen(alice: Browser, bob: Browser) -> None:
    alice.write_note("Alice's title")
    alice.sign_in(bob.email)
    assert alice.get(NOTES).json["notes"] == []


@asvs("8.2.3", "15.3.3")
def test_nobody_makes_themselves_enabled_or_verified(app: Flask, browser: Browser) -> None:
    before = fingerprint(app)
    account = {"email": "eve@example.com", "password": PASSWORD}
    for name in ("disabled_at", "id", "password_hash", "created_at"):
        assert browser.post(f"{API}/auth/register", {**account, name: None}).status_code == 422
    assert fingerprint(app) == before


def test_two_edits_of_one_note_do_not_overwrite_each_other(alice: Browser) -> None:
    path = alice.write_note()
    first = {"title": "First", "body": "B", "version": 1}
    assert alice.send("PUT", path, first).json["version"] == 2
    second = alice.send("PUT", path, {"title": "Second", "body": "Mine", "version": 1})
    assert second.status_code == 409
    assert alice.get(path).json["title"] == "First"


@pytest.mark.parametrize("version", [-1, 0, 2, 10**30])
def test_an_edit_of_another_version_is_refused(alice: Browser, version: Any) -> None:
    path = alice.write_note()
    edit = {"title": "T", "body": "B", "version": version}
    assert alice.send("PUT", path, edit).status_code == 409


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
    assert alice.get(f"{NOTES}/{public_id}").status_code == 404


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
