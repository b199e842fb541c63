"""Requests at the same moment: what one looked up, another has changed before it writes.

SQLite hides most of this, for it has one writer at a time. Where the moment matters, the requests
meet in the middle of their work; nothing sleeps and hopes.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import orm, select

from app.auth import sessions
from app.auth.models import Session, User
from app.database import db
from app.secret import Secret
from tests.actions import DONE, REMOVED, Send, edit, ready_to_edit, ready_to_sign_out
from tests.browser import Browser
from tests.marks import slow
from tests.overtaking import TakenId, and_then
from tests.races import at_once, meeting, on_reading, sample_of, statuses, tabs
from tests.resources import EDITED, Resource, add, rows
from tests.security.answers import assert_conflict
from tests.security.client import CHANGED_ROW
from tests.security.writing import Writer

each_resource = pytest.mark.parametrize("resource", EDITED, ids=str)


@each_resource
@pytest.mark.parametrize("number", [2, pytest.param(8, marks=slow)])
@slow
def test_of_edits_at_once_one_wins_and_no_text_is_lost(
    app: Flask, alice: Browser, resource: Resource, number: int
) -> None:
    add(app, resource, alice.email)
    writer, opened = Writer(app, alice, resource), tabs(app, number)
    route = writer.edits[0]
    for attempt in range(3):
        edits = [writer.edited(route, f"Text {attempt}-{n}") for n in range(number)]
        sends = [writer.ready(route, it, tab) for it, tab in zip(edits, opened, strict=True)]
        # All have read the same version, the one that they send.
        with on_reading(app, str(resource), meeting(number, lambda: None)):
            answers = at_once(*sends)
        assert statuses(answers) == [CHANGED_ROW] + [409] * (number - 1)
        (row,) = rows(app, resource, alice.email)
        assert row["version"] == str(attempt + 2)
        for sent, answer in zip(edits, answers, strict=True):
            texts = {name: sent[name] for name in resource.texts()}
            if answer.status_code == 409:
                assert_conflict(answer, texts, row["version"])
            else:
                assert {name: row[name] for name in texts} == texts


@each_resource
@pytest.mark.parametrize("difference", [-1, 1], ids=["before", "after"])
def test_an_edit_of_a_version_that_is_not_there_is_refused(
    app: Flask, alice: Browser, resource: Resource, difference: int
) -> None:
    """Also of one that does not exist yet: it would overwrite whatever comes."""
    add(app, resource, alice.email)
    writer = Writer(app, alice, resource)
    for route in writer.edits:
        assert writer.write(route, writer.edited(route, "First")).status_code == CHANGED_ROW
        fields = writer.edited(route, "Second")
        fields["version"] += difference
        assert writer.write(route, fields).status_code == 409
        assert "Second" not in str(rows(app, resource, alice.email))


@each_resource
def test_an_edit_overwrites_nothing_that_happened_since_the_row_was_read(
    app: Flask, alice: Browser, resource: Resource
) -> None:
    """Above all a row that was deleted meanwhile stays deleted."""
    (tab,) = tabs(app, 1)
    writer = Writer(app, alice, resource)
    for other in writer.others:
        add(app, resource, alice.email)
        edit = writer.ready(writer.edits[0], writer.edited(writer.edits[0], "Too late"), tab)
        calls, answers = [writer.ready(other, writer.fields(other))], []

        def meanwhile(calls: list[Send] = calls, answers: list[Any] = answers) -> None:
            if calls:  # not again: the other request reads the row as well
                answers.extend(at_once(calls.pop()))

        with on_reading(app, str(resource), meanwhile):
            assert edit().status_code in (404, 409)
        assert [answer.status_code < 400 for answer in answers] == [True]
        assert "Too late" not in str(rows(app, resource, alice.email))


@each_resource
@pytest.mark.parametrize("is_edit", [True, False], ids=["edit", "other"])
def test_two_changes_of_a_row_at_once_break_nothing(
    app: Flask, alice: Browser, resource: Resource, is_edit: bool
) -> None:
    (tab,) = tabs(app, 1)
    writer = Writer(app, alice, resource)
    for other in writer.others:
        second = writer.edits[0] if is_edit else other
        for _ in range(4):
            add(app, resource, alice.email)
            calls = [
                writer.ready(other, writer.edited(other, "Changed")),
                writer.ready(second, writer.edited(second, "Changed"), tab),
            ]
            with on_reading(app, str(resource), meeting(2, lambda: None)):
                first, last = statuses(at_once(*calls))
            assert first < 400
            assert last in (404, 409)


def test_a_failed_write_leaves_nothing_behind(
    app: Flask, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transaction of a request that failed must not be the next one's."""
    path = alice.write()
    send = ready_to_edit(alice, path, "B", "Half done")

    def fail(session: orm.Session) -> None:
        session.flush()
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(orm.Session, "commit", fail)
        assert send().status_code == 500
    assert sample_of(app, path).title == "A title"
    assert edit(alice, path, "Done").status_code == DONE


def test_a_session_that_is_ended_twice_at_once_is_ended(
    app: Flask, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tab,) = tabs(app, 1)
    other = Browser(app, tab.address)
    other.use_credential(tab.credential())
    calls = [ready_to_sign_out(tab), ready_to_sign_out(other)]
    monkeypatch.setattr(sessions, "find", meeting(2, sessions.find))
    assert statuses(at_once(*calls)) == [REMOVED, REMOVED]
    monkeypatch.undo()  # the requests below meet no other
    assert not tab.is_signed_in()
    assert not other.is_signed_in()
    assert alice.is_signed_in()


@pytest.mark.parametrize("moment", ["sign-out", "expiry", "touch"])
def test_a_session_that_has_just_got_the_id_of_an_ended_one_goes_on(
    app: Flask, alice: Browser, bob: Browser, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """What a request does to its own session, it must not do to that of another user."""
    with app.app_context():
        owner = db.session.scalars(select(User).where(User.email == Secret(bob.email))).one()
        session = db.session.scalars(select(Session).where(Session.user_id != owner.id)).one()
        if moment != "sign-out":
            session.last_seen_at -= timedelta(minutes=2)
        if moment == "expiry":
            session.created_at -= timedelta(days=60)
        before = session.last_seen_at
        db.session.commit()
    taken = TakenId(app, session, owner.id)
    sign_out = ready_to_sign_out(alice) if moment == "sign-out" else None
    if sign_out:
        monkeypatch.setattr(sessions, "find", and_then(taken, sessions.find))
        assert sign_out().status_code < 400
    else:
        monkeypatch.setattr(sessions, "now", and_then(taken, sessions.now))
        assert not alice.is_signed_in()
    assert taken.is_untouched()
    assert before
