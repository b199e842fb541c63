"""Every refused request is one security event, of every resource, and it tells nothing too much."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, abort
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from app.auth.models import Session, User
from app.database import db
from app.secret import Secret
from app.security import check
from app.security.access import is_public, needs_fresh_proof
from app.security.refusals import MAX_NAMES
from tests.browser import SIGN_IN, Browser
# <% if cookiecutter.auth != "oidc" %>
from tests.factor_actions import needs_second_step, password_step
from tests.factors import with_app
# <% endif %>
from tests.marks import asvs, slow
from tests.resources import EDITED, RESOURCES, WRITABLE, Resource, accepted, add, rows
from tests.routes import UNKNOWN, own_id, own_path, routes
from tests.security.answers import assert_challenged
from tests.security.client import UNKNOWN_FIELD, encode, fields_of_routes, proof
from tests.security.writing import Writer
from tests.statements import recorded

Log = Callable[[], list[dict[str, Any]]]
Event = dict[str, Any]
OF_SESSIONS = ("session_created", "session_expired", "session_revoked")
LONG = "x" * 60_000  # more than a field takes, less than a body may have


@pytest.fixture
def events(log: Log) -> Callable[[], list[Event]]:
    """The refusals that were logged since the last call, without what differs each time."""

    def found() -> list[Event]:
        lines = [line for line in log() if line["logger"] == "app.security"]
        left_out = {"time", "request_id", "logger"}
        return [
            {name: value for name, value in line.items() if name not in left_out}
            for line in lines
            if line["event"] not in OF_SESSIONS
        ]

    return found


def id_of(app: Flask, user: Browser) -> int:
    with app.app_context():
        query = select(User.id).where(User.email == Secret(user.email))
        return int(db.session.scalars(query).one())


def refusal(event: str, status: int, route: str | None, user: int | None, **more: Any) -> Event:
    """A refusal as it is logged."""
    who = {"user": user, "address": more.pop("address")}
    what = {"level": "WARNING", "event": event, "status": status, "route": route, "reason": None}
    return {**what, **who, **more}


# --- What is not the user's


@asvs("16.3.2")
def test_a_visitor_at_a_private_route_is_an_event(
    app: Flask, alice: Browser, browser: Browser, events: Callable[[], list[Event]]
) -> None:
    tried = 0
    for route in routes(app):
        if is_public(app, route.endpoint) or route.method in ("OPTIONS", "HEAD"):
            continue
        headers = proof(browser)
        path = own_path(app, route, alice.email)
        events()
        answer = browser.open(route.method, path, headers=headers, **encode({}))
        assert_challenged(answer, route.method)
        expected = refusal(
            "authz_fail", answer.status_code, route.endpoint, None, address=browser.address
        )
        assert events() == [expected | {"level": "INFO", "reason": "sign-in"}], route
        tried += 1
    assert tried > 5


@asvs("16.3.2")
@slow
def test_an_id_of_another_user_and_an_unknown_one_are_the_same_event(
    app: Flask, alice: Browser, bob: Browser, events: Callable[[], list[Event]]
) -> None:
    """For every route that names a row: nothing tells which of the two it was, in no place."""
    for user in (alice, bob):
        for resource in RESOURCES:
            add(app, resource, user.email)
    headers, taken, user = proof(bob), fields_of_routes(app, bob, bob), id_of(app, bob)
    tried = 0
    for route in routes(app):
        if not route.names_an_object or route.method == "OPTIONS":
            continue
        sent = encode(accepted(route.endpoint, taken.get(route.endpoint, set())))
        foreign, statements = own_id(app, route, alice.email), []
        assert foreign != UNKNOWN
        for public_id in (foreign, UNKNOWN, secrets.token_urlsafe(16)):
            events()
            with recorded(app) as made:
                answer = bob.open(route.method, route.path(public_id), headers=headers, **sent)
            assert answer.status_code == 404
            statements.append(made)
            expected = refusal("authz_fail", 404, route.endpoint, user, address=bob.address)
            assert events() == [expected], route
        assert statements[0] == statements[1] == statements[2], f"{route}: its time tells"
        tried += 1
    assert tried >= 4


@asvs("16.3.2")
@pytest.mark.parametrize("resource", WRITABLE, ids=str)
@slow
def test_a_list_that_begins_at_the_row_of_another_user_is_an_event(
    app: Flask,
    alice: Browser,
    bob: Browser,
    events: Callable[[], list[Event]],
    resource: Resource,
) -> None:
    add(app, resource, bob.email)
    foreign, user = add(app, resource, alice.email), id_of(app, bob)
    path = Writer(app, bob, resource).list
    for public_id in (foreign, UNKNOWN):
        events()
        assert bob.get(f"{path}?before={public_id}").status_code == 404
        expected = refusal("authz_fail", 404, resource.pages, user, address=bob.address)
        assert events() == [expected]


@asvs("16.3.2")
@slow
def test_a_session_without_a_fresh_proof_is_an_event(
    app: Flask, alice: Browser, events: Callable[[], list[Event]]
) -> None:
    for resource in RESOURCES:
        add(app, resource, alice.email)
    headers, taken = proof(alice), fields_of_routes(app, alice, alice)
    with app.app_context():
        db.session.execute(update(Session).values(proof="", proven_at=None))
        db.session.commit()
    tried = 0
    for route in routes(app):
        if not needs_fresh_proof(app, route.endpoint) or route.method in ("OPTIONS", "HEAD"):
            continue
        sent = encode(accepted(route.endpoint, taken.get(route.endpoint, set())))
        events()
        answer = alice.open(
            route.method, own_path(app, route, alice.email), headers=headers, **sent
        )
        assert answer.status_code in (302, 401)
        (event,) = events()
        found = event["event"], event["reason"], event["route"], event["user"]
        assert found == ("authz_fail", "fresh proof", route.endpoint, id_of(app, alice))
        tried += 1
    assert tried > 1


# --- What no form and no schema has


@asvs("16.3.3")
@pytest.mark.parametrize("resource", WRITABLE, ids=str)
def test_a_field_that_nobody_may_write_is_an_event(
    app: Flask, alice: Browser, events: Callable[[], list[Event]], resource: Resource
) -> None:
    """By every route that writes, also where the field is ignored."""
    add(app, resource, alice.email)
    writer = Writer(app, alice, resource)
    for route in (writer.create, *writer.edits):
        send = writer.ready(route, writer.edited(route, "A text") | {"owner_id": "1"})
        events()
        assert send().status_code == UNKNOWN_FIELD
        (event,) = events()
        found = event["event"], event["reason"], event["count"], event["fields"], event["user"]
        expected = "input_validation_fail", "unknown field", 1, ["owner_id"], id_of(app, alice)
        assert found == expected


@asvs("16.3.3", "16.2.5")
@pytest.mark.parametrize("resource", WRITABLE, ids=str)
def test_names_of_fields_are_logged_when_they_look_like_names(
    app: Flask, alice: Browser, events: Callable[[], list[Event]], resource: Resource
) -> None:
    """Programs send secrets in place of a name by mistake; an attacker sends a megabyte."""
    writer = Writer(app, alice, resource)
    unknown = {
        *("canary@example.com", "canary-secret-1", "canary " * 9, "c" * 31, "canary\n{", ""),
        *(f"is_admin_{letter}" for letter in "abcdefgh"),
    }
    send = writer.ready(writer.create, writer.fields(writer.create) | dict.fromkeys(unknown, "1"))
    events()
    assert send().status_code == UNKNOWN_FIELD
    (event,) = events()
    assert len(json.dumps(event)) < 500
    assert "canary" not in json.dumps(event)
    assert event["fields"] == [f"is_admin_{letter}" for letter in "abcdefgh"[:MAX_NAMES]]
    assert event["count"] == len(unknown)


@asvs("16.3.3")
@pytest.mark.parametrize("resource", [it for it in EDITED if it.texts()], ids=str)
def test_a_value_that_is_refused_is_an_event(
    app: Flask, alice: Browser, events: Callable[[], list[Event]], resource: Resource
) -> None:
    add(app, resource, alice.email)
    before = rows(app, resource, alice.email)
    writer, user = Writer(app, alice, resource), id_of(app, alice)
    for route in (writer.create, *writer.edits):
        for value in (LONG, "x\0"):
            send = writer.ready(route, writer.edited(route, value))
            events()
            answer = send()
            assert answer.status_code in (400, 422)
            expected = refusal(
                "input_validation_fail",
                answer.status_code,
                route.endpoint,
                user,
                address=alice.address,
            )
            assert events() == [expected]
    assert rows(app, resource, alice.email) == before


# --- What a new feature gets


@asvs("16.3.2", "16.3.3")
@pytest.mark.parametrize(
    ("status", "event"),
    [
        (400, "input_validation_fail"),
        (401, "authz_fail"),
        (403, "authz_fail"),
        (404, "authz_fail"),
        (413, "input_validation_fail"),
        (415, "input_validation_fail"),
        (422, "input_validation_fail"),
        (429, "excess_rate_limit_exceeded"),
        (200, None),
        (409, None),
    ],
)
@pytest.mark.parametrize("way", ["abort", "return"])
@slow
def test_a_view_that_logs_nothing_itself_is_logged(
    app: Flask,
    own_app: None,
    alice: Browser,
    events: Callable[[], list[Event]],
    way: str,
    status: int,
    event: str | None,
) -> None:
    def view() -> tuple[str, int]:
        if way == "abort" and status >= 400:
            abort(status)
        return "done", status

    app._got_first_request = False
    app.add_url_rule("/new", "new", view)
    events()
    assert alice.get("/new").status_code == status
    assert [line["event"] for line in events()] == ([event] if event else [])


@asvs("16.3.3")
def test_a_refusal_with_its_own_event_is_logged_once(
    app: Flask, alice: Browser, events: Callable[[], list[Event]]
) -> None:
    """A cross-site request, an attempt too many: the event that tells more is the only one."""
    visitor = Browser(app)
    answers: list[tuple[Callable[[], TestResponse], str]] = [
        (lambda: alice.post("/", headers={"Sec-Fetch-Site": "cross-site"}), "malicious_csrf"),
        *[(lambda: visitor.post(SIGN_IN), "") for _ in range(10)],
        (lambda: visitor.post(SIGN_IN), "excess_rate_limit_exceeded"),
    ]
    for send, expected in answers:
        events()
        answer = send()
        found = [line["event"] for line in events()]
        assert len(found) == 1, answer.status
        assert found[0] == expected or not expected


# <% if cookiecutter.auth != "oidc" %>
@asvs("16.3.1")
def test_the_question_for_a_second_factor_is_logged_and_is_no_refusal(
    app: Flask, alice: Browser, events: Callable[[], list[Event]]
) -> None:
    """Somebody knows the password: that is worth a line, and nobody was denied anything."""
    with_app(app, alice.email)
    events()
    assert needs_second_step(password_step(Browser(app), alice.email, alice.password))
    found = [(it["event"], it.get("account")) for it in events()]
    assert found == [("authn_second_factor_asked", id_of(app, alice))]


# <% endif %>
def test_an_unknown_path_is_not_logged_as_a_refusal(
    alice: Browser, events: Callable[[], list[Event]]
) -> None:
    """Scanners ask for thousands; the access line has each."""
    events()
    for path in ("/nothing", "/static/nothing", "/.env", "/wp-login.php"):
        assert alice.get(path).status_code == 404
    assert events() == []


def test_start_up_notices_that_refusals_are_not_logged(app: Flask) -> None:
    assert list(check(app)) == []
    app.after_request_funcs[None].clear()
    assert [line for line in check(app) if "no security events" in line]
