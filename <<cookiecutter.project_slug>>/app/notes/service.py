"""The operations on notes, the same for pages and for an API.

The caller loads a note with :func:`app.security.access.get_owned`.
"""

from __future__ import annotations

from flask import abort
from sqlalchemy import or_, select

from app import quotas
from app.auth.models import User
from app.database import db
from app.notes.models import Note
from app.security.sanitization import sanitize_html

PAGE = 20  # notes


def page(owner: User, before: Note | None = None) -> tuple[list[Note], Note | None]:
    """The owner's newest notes, at most ``PAGE``, and the last of them if older ones follow.

    :param before: only notes older than this one. A key, not an offset: every page costs the same.
    """
    newest = Note.created_at.desc(), Note.id.desc()
    query = select(Note).where(Note.owner_id == owner.id).order_by(*newest).limit(PAGE + 1)
    if before is not None:
        # Not every database uses the index for the second condition; so the first one repeats a
        # part of it.
        older = or_(Note.created_at < before.created_at, Note.id < before.id)
        query = query.where(Note.created_at <= before.created_at, older)
    notes = list(db.session.scalars(query))
    return notes[:PAGE], notes[PAGE - 1] if len(notes) > PAGE else None


def create(owner: User, title: str, body: str) -> Note:
    """Write a new note.

    :raises app.quotas.QuotaError: when the owner's account is full.
    """
    body = sanitize_html(body)
    quotas.charge(owner.id, rows=1, size=quotas.size_of(title, body))
    note = Note(owner_id=owner.id, title=title, body=body)
    db.session.add(note)
    db.session.commit()
    return note


def update(note: Note, version: int, title: str, body: str) -> None:
    """Change a note.

    :raises werkzeug.exceptions.Conflict: when the note has changed since ``version``.
    :raises sqlalchemy.orm.exc.StaleDataError: when it changes at this very moment; also 409.
    :raises app.quotas.QuotaError: when the owner's account has no room for the new text.
    """
    if note.version != version:
        abort(409, "This note was changed in the meantime. Reload it and try again.")
    before = quotas.size_of(note.title, note.body)
    note.title, note.body = title, sanitize_html(body)
    db.session.flush()
    quotas.charge(note.owner_id, size=quotas.size_of(note.title, note.body) - before)
    db.session.commit()


def remove(note: Note) -> None:
    """Delete a note."""
    db.session.delete(note)
    db.session.flush()
    quotas.charge(note.owner_id, rows=-1, size=-quotas.size_of(note.title, note.body))
    db.session.commit()
