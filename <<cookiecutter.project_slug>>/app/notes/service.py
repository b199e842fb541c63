"""What can be done with notes, the same for pages and for an API.

A note that is changed or deleted comes from :func:`app.security.access.get_owned`.
"""

from __future__ import annotations

from flask import abort
from sqlalchemy import or_, select

from app import quotas
from app.auth.models import User
from app.database import db
from app.notes.models import Note

PAGE = 20  # notes


def page(owner: User, before: Note | None = None) -> tuple[list[Note], Note | None]:
    """The owner's newest notes, at most ``PAGE``, and the last of them if older ones follow.

    :param before: only notes older than this one. A key, not an offset: every page costs the same.
    """
    newest = Note.created_at.desc(), Note.id.desc()
    query = select(Note).where(Note.owner_id == owner.id).order_by(*newest).limit(PAGE + 1)
    if before is not None:
        # The first condition is for the index, which not every database finds in the second.
        older = or_(Note.created_at < before.created_at, Note.id < before.id)
        query = query.where(Note.created_at <= before.created_at, older)
    notes = list(db.session.scalars(query))
    return notes[:PAGE], notes[PAGE - 1] if len(notes) > PAGE else None


def create(owner: User, title: str, body: str) -> Note:
    """Write a new note.

    :raises app.quotas.QuotaError: when the owner's account is full.
    """
    quotas.charge(owner.id, rows=1)
    note = Note(owner_id=owner.id, title=title, body=body)
    db.session.add(note)
    _store(note, 0)
    return note


def update(note: Note, version: int, title: str, body: str) -> None:
    """Change a note.

    :raises werkzeug.exceptions.Conflict: when the note has changed since ``version``.
    :raises sqlalchemy.orm.exc.StaleDataError: when it changes at this very moment; also 409.
    :raises app.quotas.QuotaError: when the owner's account has no room for what is new.
    """
    if note.version != version:
        abort(409, "This note was changed in the meantime. Reload it and try again.")
    before = _size(note)
    note.title, note.body = title, body
    _store(note, before)


def remove(note: Note) -> None:
    """Delete a note."""
    size = _size(note)
    db.session.delete(note)
    db.session.flush()
    quotas.charge(note.owner_id, rows=-1, size=-size)
    db.session.commit()


def _store(note: Note, before: int) -> None:
    """Write a note, count its size, and commit.

    :param before: its size until now.

    It is read back, as the column has cleaned it, before the commit: afterwards nothing is asked,
    so that what is stored is never answered with an error.
    """
    db.session.flush()
    db.session.refresh(note)
    quotas.charge(note.owner_id, size=_size(note) - before)
    db.session.commit()


def _size(note: Note) -> int:
    return quotas.size_of(note.title, note.body)
