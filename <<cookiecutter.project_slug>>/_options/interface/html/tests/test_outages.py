"""The database keeps a request waiting, falls silent or goes away: 503, and then all is well again.

A request that waits for ever takes a thread of a worker with it; some of those are an outage.
"""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text, update
from werkzeug.test import TestResponse

from app.auth.models import User
from app.database import db, now
from app.notes import service, views
from app.notes.models import Note
from app.security.access import public
from tests import faults
from tests.browser import PASSWORD, SIGN_IN, Browser
from tests.database import each_connection_runs, migrate
from tests.marks import asvs, practice
from tests.races import at_once
from tests.test_races import edit, note_of, prepare

PATIENCE = 60  # seconds; a thread that is busy for longer counts as stuck
JSON = {"Accept": "application/json"}

Log = Callable[[], list[dict[str, Any]]]
needs_server = pytest.mark.skipif(bool(faults.NO_SERVER), reason=faults.NO_SERVER)


def assert_retry(response: TestResponse, log: Log, cause: str = "") -> None:
    """A 503 that says when to try again, for the reason that is expected."""
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "5"
    (line,) = (line for line in log() if "exception" in line)
    assert line["event"] == "database unavailable"
    assert re.search(cause, line["exception"]), line["exception"]


def within_patience(
    call: Callable[[], TestResponse], finish: Callable[[], object] = bool
) -> TestResponse:
    """The response; ``finish`` ends what a request that hangs is waiting for."""
    with ThreadPoolExecutor(1) as threads:
        try:
            return threads.submit(call).result(PATIENCE)
        finally:
            finish()


# --- Waiting for others


@pytest.fixture
def views_that_wait(own_app: None, app: Flask) -> Flask:
    """Views that change rows as a feature of yours might, and one that takes too long."""
    meeting, days = threading.Barrier(2), itertools.count(1)

    def change(email: str) -> None:
        older = now() - timedelta(days=next(days))  # SQLite writes nothing where nothing changes
        # By its key: MySQL locks every row that it looks at.
        key = db.session.scalars(select(User.id).where(User.email == email)).one()
        db.session.execute(update(User).where(User.id == key).values(created_at=older))

    @app.post("/both/<first>/<second>")
    def both(first: str, second: str) -> str:
        change(f"{first}@example.com")
        meeting.wait(PATIENCE)
        change(f"{second}@example.com")
        db.session.commit()
        return "done"

    @app.post("/read-and-write")
    def read_and_write() -> str:
        db.session.rollback()
        faults.begin_serializable(db.session)
        db.session.scalars(select(User.created_at)).all()
        meeting.wait(PATIENCE)
        change("alice@example.com")
        db.session.commit()
        return "done"

    @app.get("/slow")
    @public
    def slow() -> str:
        return str(db.session.execute(text(faults.SLOW)).all())

    return app


@needs_server
def test_of_a_deadlock_one_is_asked_to_try_again(
    views_that_wait: Flask, alice: Browser, bob: Browser, log: Log
) -> None:
    calls = [
        prepare(alice, "/both/alice/bob", {}, page="/notes/new"),
        prepare(bob, "/both/bob/alice", {}, page="/notes/new"),
    ]
    log()
    done, refused = sorted(at_once(*calls), key=lambda response: response.status_code)
    assert done.status_code == 200
    assert_retry(refused, log, faults.DEADLOCK)
    assert alice.is_signed_in()
    assert bob.is_signed_in()


def test_of_two_that_read_what_the_other_writes_one_is_asked_to_try_again(
    views_that_wait: Flask, alice: Browser, bob: Browser, log: Log
) -> None:
    """A serialization failure: no order of the two would have led to what they read."""
    calls = [prepare(tab, "/read-and-write", {}, page="/notes/new") for tab in (alice, bob)]
    log()
    done, refused = sorted(at_once(*calls), key=lambda response: response.status_code)
    assert done.status_code == 200
    assert_retry(refused, log, faults.SERIALIZATION)


@practice("errors")
@asvs("16.5.2")
def test_a_lock_that_is_held_too_long_is_not_waited_for(
    app: Flask, alice: Browser, log: Log
) -> None:
    path = alice.write_note()
    send = edit(alice, path, "Changed")
    with app.app_context():
        holder = db.engine.connect()
    holder.execute(update(Note).values(title="Held"))
    log()
    response = within_patience(send, finish=holder.close)  # which rolls back
    assert_retry(response, log, faults.LOCKED)
    assert edit(alice, path, "Changed")().status_code == 302
    assert note_of(app, path).title == "Changed"


@needs_server
def test_a_statement_that_takes_too_long_is_ended(
    views_that_wait: Flask, alice: Browser, log: Log
) -> None:
    log()
    assert_retry(within_patience(lambda: alice.get("/slow")), log, faults.TOO_SLOW)
    assert alice.is_signed_in()


@practice("errors")
@asvs("16.5.2")
def test_when_every_connection_is_taken_nobody_waits_for_long(
    app: Flask, alice: Browser, log: Log
) -> None:
    with app.app_context():
        taken = [db.engine.connect() for _ in range(10)]
    log()
    response = within_patience(
        lambda: alice.get("/notes/"), finish=lambda: [connection.close() for connection in taken]
    )
    assert_retry(response, log, "QueuePool limit")
    assert alice.is_signed_in()


# --- What a server does to its clients


@needs_server
def test_connections_that_the_server_has_closed_are_replaced(app: Flask, alice: Browser) -> None:
    """A restart or a failover while nobody asks: the pool is full of connections that are dead."""
    number = 5
    with app.app_context():
        for connection in [db.engine.connect() for _ in range(number)]:
            connection.close()
    for headers in ({}, JSON):
        assert faults.kill_connections(app) >= 1
        tabs = [partial(alice.get, "/notes/", headers=headers) for _ in range(number + 1)]
        assert [tab().status_code for tab in tabs] == [200] * (number + 1)


@needs_server
@pytest.mark.parametrize("headers", [{}, JSON], ids=["page", "json"])
def test_a_connection_that_is_killed_in_a_transaction_is_replaced(
    app: Flask,
    alice: Browser,
    monkeypatch: pytest.MonkeyPatch,
    log: Log,
    headers: dict[str, str],
) -> None:
    send = prepare(alice, "/notes/new", {"title": "Lost", "body": "Lost"})
    create = service.create

    def create_after_a_kill(*args: Any) -> Note:
        assert faults.kill_connections(app) >= 1  # the one with which it was found out who asks
        return create(*args)

    log()
    with monkeypatch.context() as patch:
        patch.setattr(service, "create", create_after_a_kill)
        response = send(headers=headers)
    assert_retry(response, log)
    assert "Lost" not in alice.get("/notes/").text
    assert send().status_code == 302


@needs_server
def test_a_connection_that_is_killed_when_all_was_read_spoils_no_answer(
    app: Flask, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left to do is to end the transaction, and it has ended."""
    render = views.render_template

    def render_after_a_kill(*args: Any, **kwargs: Any) -> str:
        assert faults.kill_connections(app) >= 1
        return render(*args, **kwargs)

    monkeypatch.setattr(views, "render_template", render_after_a_kill)
    for _ in range(12):  # more than the pool holds: none is lost to it
        assert alice.get("/notes/").status_code == 200


@practice("errors")
@asvs("16.5.2")
def test_a_database_that_is_read_only_can_still_be_read(
    app: Flask, alice: Browser, log: Log
) -> None:
    """After a failover the old primary, or a replica, refuses every write."""
    path = alice.write_note()
    send = edit(alice, path, "Changed")

    with each_connection_runs(app, faults.READ_ONLY):
        log()
        assert_retry(send(), log)
        assert alice.get(path).status_code == 200
    assert edit(alice, path, "Changed")().status_code == 302


@needs_server
def test_a_network_that_swallows_everything_keeps_no_thread(
    make_app: Callable[..., Flask],
    environment: dict[str, str],
    own_database: dict[str, str],
    tmp_path: Path,
) -> None:
    """Nobody says that the server is gone: no packet comes back, and none ever will."""
    migrate({**environment, **own_database})
    with faults.outage(own_database, tmp_path) as outage:
        app = make_app(**outage.settings)
        alice = Browser(app).sign_up("alice@example.com")
        path = alice.write_note()
        form = {"email": alice.email, "password": PASSWORD}
        calls = [
            partial(alice.get, path),
            partial(alice.get, path, headers=JSON),
            prepare(Browser(app), SIGN_IN, form),
            edit(alice, path, "Changed"),
            partial(Browser(app).get, "/readyz"),
        ]
        with ThreadPoolExecutor(len(calls)) as threads:
            outage.freeze()
            try:
                answers: list[Future[TestResponse]] = [threads.submit(call) for call in calls]
                assert Browser(app).get("/healthz").status_code == 200
                assert [answer.result(PATIENCE).status_code for answer in answers] == [503] * 5
            finally:
                outage.resume()
        assert Browser(app).get("/readyz").status_code == 200
        assert alice.get(path).status_code == 200  # still signed in
        assert edit(alice, path, "Changed")().status_code == 302
