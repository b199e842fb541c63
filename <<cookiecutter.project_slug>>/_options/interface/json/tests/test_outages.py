"""The database keeps a request waiting or goes away: 503, and then all is well again."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update
from werkzeug.test import TestResponse

from app.database import db
from app.notes import service
from app.notes.models import Note
from tests import faults
from tests.browser import API, NOTES, Browser
from tests.database import each_connection_runs, migrate
from tests.marks import asvs, practice

PATIENCE = 60  # seconds; a thread that is busy for longer counts as stuck

Log = Callable[[], list[dict[str, Any]]]
needs_server = pytest.mark.skipif(bool(faults.NO_SERVER), reason=faults.NO_SERVER)


def assert_retry(response: TestResponse, log: Log, cause: str = "") -> None:
    """A 503 that says when to try again, for the reason that is expected."""
    assert response.status_code == 503
    assert response.content_type == "application/problem+json"
    assert response.headers["Retry-After"] == "5"
    (line,) = (line for line in log() if "exception" in line)
    assert line["event"] == "database unavailable"
    assert re.search(cause, line["exception"]), line["exception"]


def within_patience(call: Callable[[], TestResponse], finish: Callable[[], object]) -> TestResponse:
    """The response; ``finish`` ends what a request that hangs is waiting for."""
    with ThreadPoolExecutor(1) as threads:
        try:
            return threads.submit(call).result(PATIENCE)
        finally:
            finish()


def edit(alice: Browser, path: str, title: str) -> TestResponse:
    note = alice.get(path).json
    return alice.send("PUT", path, {"title": title, "body": "B", "version": note["version"]})


@practice("errors")
@asvs("16.5.2")
def test_a_lock_that_is_held_too_long_is_not_waited_for(
    app: Flask, alice: Browser, log: Log
) -> None:
    path = alice.write_note()
    with app.app_context():
        holder = db.engine.connect()
    holder.execute(update(Note).values(title="Held"))
    log()
    response = within_patience(partial(edit, alice, path, "Changed"), holder.close)
    assert_retry(response, log, faults.LOCKED)
    assert edit(alice, path, "Changed").json["title"] == "Changed"


@practice("errors")
@asvs("16.5.2")
def test_when_every_connection_is_taken_nobody_waits_for_long(
    app: Flask, alice: Browser, log: Log
) -> None:
    with app.app_context():
        taken = [db.engine.connect() for _ in range(10)]
    log()
    response = within_patience(
        lambda: alice.get(NOTES), lambda: [connection.close() for connection in taken]
    )
    assert_retry(response, log, "QueuePool limit")
    assert alice.is_signed_in()


@practice("errors")
@asvs("16.5.2")
def test_a_database_that_is_read_only_can_still_be_read(
    app: Flask, alice: Browser, log: Log
) -> None:
    """After a failover the old primary, or a replica, refuses every write: a refresh is one."""
    path = alice.write_note()

    with each_connection_runs(app, faults.READ_ONLY):
        log()
        assert_retry(edit(alice, path, "Changed"), log)
        assert_retry(alice.refresh(), log)
        assert alice.get(path).status_code == 200
    assert alice.refresh().status_code == 200  # the token was not used up


@needs_server
def test_a_connection_that_is_killed_in_a_transaction_is_replaced(
    app: Flask, alice: Browser, monkeypatch: pytest.MonkeyPatch, log: Log
) -> None:
    create = service.create

    def create_after_a_kill(*args: Any) -> Note:
        assert faults.kill_connections(app) >= 1  # the one with which it was found out who asks
        return create(*args)

    log()
    with monkeypatch.context() as patch:
        patch.setattr(service, "create", create_after_a_kill)
        assert_retry(alice.try_note("Lost", "Lost"), log)
    assert alice.get(NOTES).json["notes"] == []
    assert alice.try_note("Kept", "Kept").status_code == 201


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
        calls = [
            partial(alice.get, f"{API}/me"),
            partial(alice.try_note, "T", "B"),
            partial(Browser(app).sign_in, alice.email),
            partial(Browser(app).refresh, alice.refresh_token),
            partial(Browser(app).get, "/readyz"),
        ]
        with ThreadPoolExecutor(len(calls)) as threads:
            outage.freeze()
            try:
                answers = [threads.submit(call) for call in calls]
                assert Browser(app).get("/healthz").status_code == 200
                assert [answer.result(PATIENCE).status_code for answer in answers] == [503] * 5
            finally:
                outage.resume()
        assert Browser(app).get("/readyz").status_code == 200
        assert alice.is_signed_in()
