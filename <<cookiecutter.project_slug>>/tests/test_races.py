"""Requests at the same moment: what one looked up, another has changed before it writes.

SQLite hides most of this, for it has one writer at a time. Where the moment matters, the requests
meet in the middle of their work; nothing sleeps and hopes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import orm

from app.auth import sessions
from app.notes import views
from tests.actions import (
    DONE,
    REMOVED,
    Send,
    assert_conflict,
    edit,
    ready_to_edit,
    ready_to_remove,
    ready_to_sign_out,
)
from tests.browser import Browser
from tests.races import at_once, meeting, note_of, statuses, tabs


@pytest.mark.parametrize("number", [2, 8])
def test_of_edits_at_once_one_wins_and_no_text_is_lost(
    app: Flask, alice: Browser, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    path, writers = alice.write_note(), tabs(app, number)
    for attempt in range(3):
        titles = [f"Text {attempt}-{n}" for n in range(number)]
        sends = [
            ready_to_edit(tab, path, f"{title} body", title)
            for tab, title in zip(writers, titles, strict=True)
        ]
        with monkeypatch.context() as patch:
            # All have read the same version, the one that they send.
            patch.setattr(views, "get_owned", meeting(number, views.get_owned))
            answers = at_once(*sends)
        assert statuses(answers) == [DONE] + [409] * (number - 1)
        note = note_of(app, path)
        assert note.version == attempt + 2
        for title, answer in zip(titles, answers, strict=True):
            if answer.status_code == DONE:
                assert (note.title, note.body) == (title, f"{title} body")
            else:
                assert_conflict(answer, title, f"{title} body", note.version)


def test_a_note_that_is_deleted_while_it_is_edited_stays_deleted(
    app: Flask, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, (writer,) = alice.write_note(), tabs(app, 1)
    send, calls = ready_to_edit(writer, path, "Too late"), [ready_to_remove(alice, path)]
    load = views.get_owned

    def load_and_lose(*args: Any) -> Any:
        row = load(*args)
        if calls:  # not again: the deletion loads the note as well
            assert statuses(at_once(calls.pop())) == [REMOVED]
        return row

    monkeypatch.setattr(views, "get_owned", load_and_lose)
    assert send().status_code in (404, 409)
    assert alice.get(path).status_code == 404


def changed(tab: Browser, path: str) -> Send:
    return ready_to_edit(tab, path, "Changed")


@pytest.mark.parametrize(
    ("second", "done"), [(changed, DONE), (ready_to_remove, REMOVED)], ids=["edit", "delete"]
)
def test_deleting_and_changing_at_once_breaks_nothing(
    app: Flask,
    alice: Browser,
    monkeypatch: pytest.MonkeyPatch,
    second: Callable[[Browser, str], Send],
    done: int,
) -> None:
    (other,) = tabs(app, 1)
    for _ in range(4):
        path = alice.write_note()
        calls = ready_to_remove(alice, path), second(other, path)
        with monkeypatch.context() as patch:
            patch.setattr(views, "get_owned", meeting(2, views.get_owned))
            first, last = statuses(at_once(*calls))
        assert first in (REMOVED, done)
        assert last in (404, 409)


def test_a_failed_write_leaves_nothing_behind(
    app: Flask, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transaction of a request that failed must not be the next one's."""
    path = alice.write_note()
    send = ready_to_edit(alice, path, "B", "Half done")

    def fail(session: orm.Session) -> None:
        session.flush()
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(orm.Session, "commit", fail)
        assert send().status_code == 500
    assert note_of(app, path).title == "A title"
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
