"""Requests at the same moment: what one looked up, another has changed before it writes.

SQLite hides most of this, for it has one writer at a time. Where the moment matters, the requests
meet in the middle of their work; nothing sleeps and hopes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import partial, wraps
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete, orm, select, update
from werkzeug.test import TestResponse

from app.auth import sessions
from app.auth.models import Session
from app.database import db, now
from app.notes import views
from app.notes.models import Note
from tests.browser import Browser, csrf_token, html
from tests.races import ALICE, PATIENCE, at_once

NEW_PASSWORD = "kelp-drizzle-9-anvil-tooth"


def meeting(parties: int, function: Callable[..., Any]) -> Callable[..., Any]:
    """``function``, after which the first ``parties`` callers wait until all of them have come."""
    barrier, places = threading.Barrier(parties), iter(range(parties))

    @wraps(function)
    def meet(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        if next(places, None) is not None:
            barrier.wait(PATIENCE)
        return result

    return meet


def prepare(
    tab: Browser, path: str, fields: dict[str, str], page: str | None = None
) -> Callable[[], TestResponse]:
    """Load the form on ``page`` (or on ``path``) now; what is returned sends it."""
    token = csrf_token(tab.get(page or path))
    return partial(tab.post, path, {**fields, "csrf_token": token})


def statuses(responses: Iterable[TestResponse]) -> list[int]:
    return sorted(response.status_code for response in responses)


def note_of(app: Flask, path: str) -> Note:
    with app.app_context():
        return db.session.scalars(select(Note).where(Note.public_id == path[-22:])).one()


def tabs(app: Flask, number: int) -> list[Browser]:
    """Browsers in which alice is signed in, each at an address of its own."""
    opened = [Browser(app, f"192.0.2.{n}") for n in range(number)]
    for tab in opened:
        assert tab.sign_in(ALICE).status_code == 302
    return opened


def twin(tab: Browser) -> Browser:
    """A second tab of the same session."""
    other = Browser(tab.app, tab.address)
    other.set_cookie(tab.cookie())
    return other


# --- Notes


def edit(tab: Browser, path: str, title: str) -> Callable[[], TestResponse]:
    shown = html(tab.get(f"{path}/edit"))
    version = str(shown.css_first("main input[name=version]").attributes["value"])
    fields = {"title": title, "body": f"{title} body", "version": version}
    return prepare(tab, f"{path}/edit", fields)


def remove(tab: Browser, path: str) -> Callable[[], TestResponse]:
    return prepare(tab, f"{path}/delete", {}, page=path)


@pytest.mark.parametrize("number", [2, 8])
def test_of_edits_at_once_one_wins_and_no_text_is_lost(
    app: Flask, alice: Browser, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    path, writers = alice.write_note(), tabs(app, number)
    for attempt in range(3):
        titles = [f"Text {attempt}-{n}" for n in range(number)]
        sends = [edit(tab, path, title) for tab, title in zip(writers, titles, strict=True)]
        with monkeypatch.context() as patch:
            # All have read the same version, the one that is in their forms.
            patch.setattr(views, "get_owned", meeting(number, views.get_owned))
            answers = at_once(*sends)
        assert statuses(answers) == [302] + [409] * (number - 1)
        note = note_of(app, path)
        assert note.version == attempt + 2
        for title, answer in zip(titles, answers, strict=True):
            if answer.status_code == 302:
                assert (note.title, note.body) == (title, f"{title} body")
                continue
            form = html(answer).css_first("main form")
            assert form.css_first("input[name=title]").attributes["value"] == title
            assert form.css_first("textarea").text().strip() == f"{title} body"
            # Whoever saves again has been told, and replaces the other text.
            version = form.css_first("input[name=version]").attributes["value"]
            assert version == str(note.version)


def test_a_note_that_is_deleted_while_it_is_edited_stays_deleted(
    app: Flask, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, (writer,) = alice.write_note(), tabs(app, 1)
    send, delete_it = edit(writer, path, "Too late"), remove(alice, path)
    load, calls = views.get_owned, [delete_it]

    def load_and_lose(*args: Any) -> Any:
        row = load(*args)
        if calls:  # not again: the deletion loads the note as well
            assert statuses(at_once(calls.pop())) == [302]
        return row

    monkeypatch.setattr(views, "get_owned", load_and_lose)
    assert send().status_code in (404, 409)
    assert alice.get(path).status_code == 404


@pytest.mark.parametrize("second", [partial(edit, title="Changed"), remove], ids=["edit", "delete"])
def test_deleting_and_changing_at_once_breaks_nothing(
    app: Flask,
    alice: Browser,
    monkeypatch: pytest.MonkeyPatch,
    second: Callable[[Browser, str], Callable[[], TestResponse]],
) -> None:
    (other,) = tabs(app, 1)
    for _ in range(4):
        path = alice.write_note()
        calls = remove(alice, path), second(other, path)
        with monkeypatch.context() as patch:
            patch.setattr(views, "get_owned", meeting(2, views.get_owned))
            first, last = statuses(at_once(*calls))
        assert first == 302
        assert last in (404, 409)


def test_a_failed_write_leaves_nothing_behind(
    app: Flask, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transaction of a request that failed must not be the next one's."""
    path = alice.write_note()
    send = edit(alice, path, "Half done")

    def fail(session: orm.Session) -> None:
        session.flush()
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(orm.Session, "commit", fail)
        assert send().status_code == 500
    assert note_of(app, path).title == "A title"
    assert edit(alice, path, "Done")().status_code == 302


# --- Sessions that end while they are used


@pytest.mark.parametrize("path", ["/auth/logout", "/account/sessions/revoke-others"])
def test_a_session_that_is_ended_twice_at_once_is_ended(
    app: Flask, alice: Browser, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    (tab,) = tabs(app, 1)
    other = twin(tab)
    calls = [prepare(opened, path, {}, page="/account/") for opened in (tab, other)]
    monkeypatch.setattr(sessions, "find", meeting(2, sessions.find))
    assert statuses(at_once(*calls)) == [302, 302]
    monkeypatch.undo()  # who is asked below meets nobody
    assert tab.is_signed_in() is other.is_signed_in() is (path != "/auth/logout")
    assert alice.is_signed_in() is (path == "/auth/logout")


@pytest.mark.parametrize("age", [timedelta(minutes=2), timedelta(hours=13)], ids=["seen", "old"])
def test_a_session_that_ends_while_it_is_used_is_nobodys(
    app: Flask, alice: Browser, monkeypatch: pytest.MonkeyPatch, age: timedelta
) -> None:
    """Ended elsewhere, just when "last seen" is written or the expired row deleted."""
    with app.app_context():
        db.session.execute(update(Session).values(last_seen_at=now() - age, created_at=now() - age))
        db.session.commit()

    def end_all() -> datetime:
        with app.app_context():
            db.session.execute(delete(Session))
            db.session.commit()
        return now()

    with monkeypatch.context() as patch:
        patch.setattr(sessions, "now", end_all)
        response = alice.get("/notes/")
    assert response.status_code == 302
    assert response.headers["Location"].startswith("/auth/login")
