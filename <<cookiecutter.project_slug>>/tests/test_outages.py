"""The database keeps a request waiting or refuses it: 503, and then all is well again."""

from __future__ import annotations

import threading

from flask import Flask
from sqlalchemy import select, update

from app.auth.models import User
from app.database import db
from tests import faults
from tests.actions import (
    DONE,
    edit,
    ready_to_edit,
    ready_to_post,
    ready_to_sign_in,
    ready_to_write,
)
from tests.browser import PASSWORD, SAMPLES, Browser
from tests.database import each_connection_runs
from tests.marks import asvs, practice
from tests.races import TIMEOUT, at_once, sample_of
from tests.retries import Log, assert_retry, change, within_patience
from tests.sample.models import Sample


def test_one_of_two_conflicting_transactions_gets_a_503(
    own_app: None, app: Flask, alice: Browser, bob: Browser, log: Log
) -> None:
    """A serialization failure: no order of the two would have led to what they read."""
    meeting = threading.Barrier(2)

    @app.post("/api/read-and-write")
    def read_and_write() -> str:
        db.session.rollback()
        faults.begin_serializable(db.session)
        db.session.scalars(select(User.created_at)).all()
        meeting.wait(TIMEOUT)
        change(alice.email)
        db.session.commit()
        return "done"

    calls = [ready_to_post(tab, "/api/read-and-write") for tab in (alice, bob)]
    log()
    done, refused = sorted(at_once(*calls), key=lambda response: response.status_code)
    assert done.status_code == 200
    assert_retry(refused, log, faults.SERIALIZATION)


@practice("errors")
@asvs("16.5.2")
def test_waiting_for_a_lock_times_out(app: Flask, alice: Browser, log: Log) -> None:
    path = alice.write()
    send = ready_to_edit(alice, path, "Changed")
    with app.app_context():
        holder = db.engine.connect()
    holder.execute(update(Sample).values(title="Held"))
    log()
    response = within_patience(send, finish=holder.close)  # which rolls back
    assert_retry(response, log, faults.LOCKED)
    assert edit(alice, path, "Changed").status_code == DONE
    assert sample_of(app, path).body == "Changed"


@practice("errors")
@asvs("16.5.2")
def test_waiting_for_a_connection_times_out(app: Flask, alice: Browser, log: Log) -> None:
    with app.app_context():
        taken = [db.engine.connect() for _ in range(10)]
    log()
    response = within_patience(
        lambda: alice.get(SAMPLES), finish=lambda: [connection.close() for connection in taken]
    )
    assert_retry(response, log, "QueuePool limit")
    assert alice.is_signed_in()


@practice("errors")
@asvs("16.5.2")
def test_a_database_that_is_read_only_can_still_be_read(
    app: Flask, alice: Browser, log: Log
) -> None:
    """After a failover the old primary, or a replica, refuses every write."""
    path = alice.write()
    writes = [
        ready_to_edit(alice, path, "Changed"),
        ready_to_write(alice, "Lost", "Lost"),
        ready_to_sign_in(Browser(app), alice.email, PASSWORD),
    ]

    with each_connection_runs(app, faults.READ_ONLY):
        for send in writes:
            log()
            assert_retry(send(), log)
        assert alice.get(path).status_code == 200
    assert edit(alice, path, "Changed").status_code == DONE
