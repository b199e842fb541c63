"""The database's server ends a request, a connection or itself: 503, and then all is well again.

A request that waits for ever takes a thread of a worker with it; some of those are an outage.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text
from werkzeug.test import TestResponse

from app import resources
from app.database import db
from app.security.access import public
from tests import faults
from tests.actions import (
    DONE,
    edit,
    ready_to_edit,
    ready_to_post,
    ready_to_sign_in,
    ready_to_write,
)
from tests.browser import PAGES, PASSWORD, SAMPLES, WRITTEN, Browser
from tests.database import migrate
from tests.races import TIMEOUT, at_once
from tests.retries import Log, assert_retry, change, within_patience
from tests.sample.models import Sample

JSON = {"Accept": "application/json"}
ACCEPTED = [{}, JSON] if PAGES else [JSON]  # headers: a page, or what a program asks for


@pytest.fixture
def views_that_wait(own_app: None, app: Flask) -> Flask:
    """Views that change rows as a feature of yours might, and one that takes too long."""
    meeting = threading.Barrier(2)

    @app.post("/api/both/<first>/<second>")
    def both(first: str, second: str) -> str:
        change(f"{first}@example.com")
        meeting.wait(TIMEOUT)
        change(f"{second}@example.com")
        db.session.commit()
        return "done"

    @app.get("/slow")
    @public
    def slow() -> str:
        return str(db.session.execute(text(faults.SLOW)).all())

    return app


def test_one_request_of_a_deadlock_gets_a_503(
    views_that_wait: Flask, alice: Browser, bob: Browser, log: Log
) -> None:
    calls = [
        ready_to_post(alice, "/api/both/alice/bob"),
        ready_to_post(bob, "/api/both/bob/alice"),
    ]
    log()
    done, refused = sorted(at_once(*calls), key=lambda response: response.status_code)
    assert done.status_code == 200
    assert_retry(refused, log, faults.DEADLOCK)
    assert alice.is_signed_in()
    assert bob.is_signed_in()


def test_a_slow_statement_times_out(views_that_wait: Flask, alice: Browser, log: Log) -> None:
    log()
    assert_retry(within_patience(lambda: alice.get("/slow")), log, faults.TOO_SLOW)
    assert alice.is_signed_in()


def test_closed_connections_are_replaced(app: Flask, alice: Browser) -> None:
    """A restart or a failover while nobody asks: the pool is full of connections that are dead."""
    number = 5
    with app.app_context():
        for connection in [db.engine.connect() for _ in range(number)]:
            connection.close()
    for headers in ACCEPTED:
        assert faults.kill_connections(app) >= 1
        tabs = [partial(alice.get, SAMPLES, headers=headers) for _ in range(number + 1)]
        assert [tab().status_code for tab in tabs] == [200] * (number + 1)


@pytest.mark.parametrize("headers", ACCEPTED, ids=str)
def test_a_connection_that_is_killed_in_a_transaction_is_replaced(
    app: Flask,
    alice: Browser,
    monkeypatch: pytest.MonkeyPatch,
    log: Log,
    headers: dict[str, str],
) -> None:
    send = ready_to_write(alice, "Lost", "Lost")
    create = resources.create

    def create_after_a_kill(*args: Any, **values: Any) -> Sample:
        assert faults.kill_connections(app) >= 1  # the one with which it was found out who asks
        return create(*args, **values)

    log()
    with monkeypatch.context() as patch:
        patch.setattr(resources, "create", create_after_a_kill)
        response = send(headers=headers)
    assert_retry(response, log)
    assert "Lost" not in alice.get(SAMPLES).text
    assert send().status_code == WRITTEN


def test_a_connection_that_is_killed_when_all_was_read_spoils_no_answer(
    app: Flask, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left to do is to end the transaction, and it has ended."""
    page = resources.page

    def page_and_a_kill(*args: Any) -> Any:
        found = page(*args)
        assert faults.kill_connections(app) >= 1
        return found

    monkeypatch.setattr(resources, "page", page_and_a_kill)
    for _ in range(12):  # more than the pool holds: none is lost to it
        assert alice.get(SAMPLES).status_code == 200


def test_a_network_that_drops_all_packets_blocks_no_thread(
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
        path = alice.write()
        calls = [
            partial(alice.get, SAMPLES),
            ready_to_sign_in(Browser(app), alice.email, PASSWORD),
            ready_to_edit(alice, path, "Changed"),
            partial(Browser(app).get, "/readyz"),
            *(partial(alice.get, path, headers=headers) for headers in ACCEPTED),
        ]
        if hasattr(alice, "refresh"):
            calls.append(partial(Browser(app).refresh, alice.refresh_token))
        with ThreadPoolExecutor(len(calls)) as threads:
            outage.freeze()
            try:
                answers: list[Future[TestResponse]] = [threads.submit(call) for call in calls]
                assert Browser(app).get("/healthz").status_code == 200
                assert [answer.result(TIMEOUT).status_code for answer in answers] == [503] * len(
                    calls
                )
            finally:
                outage.resume()
        assert Browser(app).get("/readyz").status_code == 200
        assert alice.get(path).status_code == 200  # still signed in
        assert edit(alice, path, "Changed").status_code == DONE
