"""If the database cannot write, pages that only read still work, also for signed-in users."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any

from flask import Flask
from sqlalchemy import select, update

from app.auth.models import Session
from app.database import db, now
from tests import faults
from tests.actions import ABSOLUTE_TIMEOUT
from tests.browser import CHALLENGED, HOME, SAMPLES, SIGNED_IN, WRITTEN, Browser
from tests.database import each_connection_runs
from tests.marks import asvs, practice
from tests.statements import listening

pytestmark = practice("auth.best_effort")

Log = Callable[[], list[dict[str, Any]]]


def read_only(app: Flask) -> AbstractContextManager[None]:
    """The database refuses every write of the app, as after a failover."""
    return each_connection_runs(app, faults.READ_ONLY)


def let_pass(app: Flask, age: timedelta) -> datetime:
    """Every session was seen for the last time so long ago; when that was."""
    seen = now() - age
    with app.app_context():
        db.session.execute(update(Session).values(last_seen_at=seen))
        db.session.commit()
    return seen


def last_seen(app: Flask) -> datetime:
    with app.app_context():
        return db.session.scalars(select(Session.last_seen_at)).one()


def failures(log: Log) -> list[dict[str, Any]]:
    return [line for line in log() if line["event"] == "upkeep failed"]


@asvs("16.5.2")
def test_pages_are_served_and_writes_refused(app: Flask, alice: Browser, log: Log) -> None:
    path = alice.write()
    seen = let_pass(app, timedelta(minutes=2))
    stranger = Browser(app, "203.0.113.3")
    log()
    with read_only(app):
        for asked in (HOME, SAMPLES, path):
            assert alice.get(asked).status_code == 200, asked
        assert alice.is_signed_in()
        assert stranger.get(HOME).status_code == 200
        for line in (found := failures(log)):
            assert line["level"] == "WARNING"
            assert line["reason"]
        assert len(found) >= 3  # each time, for nothing was written down
        assert alice.try_to_write("T", "B").status_code == 503
        for email in (alice.email, "nobody@example.com"):
            assert stranger.attempt(email, "wrong").status_code == 503
    assert last_seen(app) == seen
    log()
    assert alice.is_signed_in()
    assert last_seen(app) > seen
    assert failures(log) == []
    assert alice.try_to_write("T", "B").status_code == WRITTEN
    assert stranger.sign_in(alice.email).status_code == SIGNED_IN


def test_an_expired_session_is_refused_by_a_read_only_database(
    app: Flask, alice: Browser, log: Log
) -> None:
    let_pass(app, 2 * ABSOLUTE_TIMEOUT)
    expired = alice.credential()
    log()
    with read_only(app):
        assert alice.get(SAMPLES).status_code == CHALLENGED
        assert alice.get(HOME).status_code == 200
        assert failures(log)
    alice.use_credential(expired)
    assert not alice.is_signed_in()
    with app.app_context():
        assert db.session.scalars(select(Session)).all() == []


def test_a_failed_clean_up_keeps_the_rows_of_the_request(
    app: Flask, alice: Browser, log: Log
) -> None:
    """Such a write in the transaction of the request would take what it has read with it."""
    let_pass(app, timedelta(minutes=2))
    statements: list[str] = []

    def record(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement.split()[0])

    with read_only(app), listening(app, before_cursor_execute=record):
        assert alice.get(HOME).status_code == 200
    assert statements in ([], ["SELECT", "UPDATE"])  # none where nobody signs in on that page


@asvs("15.2.2")
def test_a_request_holds_one_connection_at_a_time(app: Flask, alice: Browser) -> None:
    """If each needed a second one, ten requests at once would wait for each other."""
    held, most = 0, 0

    def taken(*_: Any) -> None:
        nonlocal held, most
        held += 1
        most = max(held, most)

    def returned(*_: Any) -> None:
        nonlocal held
        held -= 1

    with listening(app, checkout=taken, checkin=returned):
        for age in (timedelta(minutes=2), 2 * ABSOLUTE_TIMEOUT):  # seen again, then expired
            let_pass(app, age)
            assert alice.get(SAMPLES).status_code in (200, CHALLENGED)
    assert (held, most) == (0, 1)
