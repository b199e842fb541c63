"""The list of notes, page by page, and what it costs to write one."""

from __future__ import annotations

from datetime import timedelta

import bleach
import pytest
from flask import Flask
from sqlalchemy import select

from app import resources
from app.auth.models import User
from app.database import db, now
from app.notes.models import Note
from tests.browser import Browser
from tests.marks import practice


@practice("sanitization")
def test_a_text_is_cleaned_once(alice: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cleaning takes up to 20 ms, and a failure belongs to the form: the column has none left."""
    cleaned: list[str] = []
    clean = bleach.clean

    def count(text: str, *args: object, **kwargs: object) -> str:
        cleaned.append(text)
        return clean(text, *args, **kwargs)

    monkeypatch.setattr(bleach, "clean", count)
    alice.write_note("A title", "<p>A clean text</p>")
    assert cleaned == ["<p>A clean text</p>"]


@pytest.mark.parametrize("at_once", [1, 3, resources.PAGE, 3 * resources.PAGE])
def test_every_note_is_on_one_page(app: Flask, alice: Browser, bob: Browser, at_once: int) -> None:
    """The newest first, also where many were written in the same second, and while some are."""
    with app.app_context():
        owner, other = db.session.scalars(select(User).order_by(User.id)).all()
        for number in range(2 * resources.PAGE + 5):
            moment = now() - timedelta(hours=1, seconds=number // at_once)
            for user in (owner, other):
                db.session.add(Note(owner_id=user.id, title="A", body="B", created_at=moment))
        db.session.commit()
        mine = select(Note.id).where(Note.owner_id == owner.id)
        wanted = db.session.scalars(mine.order_by(Note.created_at.desc(), Note.id.desc())).all()

        found, last = [], None
        while last is not None or not found:
            page, last = resources.page(Note, owner, last)
            assert len(page) <= resources.PAGE
            found += [note.id for note in page]
            resources.create(Note, owner, title="newer", body="than all of them")
        assert found == wanted
