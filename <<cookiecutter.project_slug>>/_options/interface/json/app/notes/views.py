"""The routes for notes."""

from __future__ import annotations

from flask import Blueprint, url_for

from app import api
from app.auth import identity
from app.notes import service
from app.notes.models import Note
from app.notes.schemas import EditedNote, NewNote, NoteAnswer, NotePage, PageRequest
from app.security import rate_limits
from app.security.access import get_owned

blueprint = Blueprint("notes", __name__, url_prefix="/api/v1/notes")


def answer(note: Note) -> NoteAnswer:
    """The fields of a note that clients see; a new column of the model is not shown by itself."""
    return NoteAnswer(
        id=note.public_id,
        title=note.title,
        body=str(note.body),
        version=note.version,
        created_at=note.created_at,
        updated_at=note.updated_at,
    )


@blueprint.get("")
@api.operation(
    "List the newest notes, or those before another one",
    query=PageRequest,
    answer=NotePage,
    errors=[404],
)
def index(query: PageRequest) -> NotePage:
    before = get_owned(Note, query.before) if query.before else None
    notes, last = service.page(identity.current_user(), before)
    return NotePage(notes=[answer(note) for note in notes], next=last.public_id if last else None)


@blueprint.post("")
@rate_limits.write
@api.operation("Write a note", body=NewNote, answer=NoteAnswer, status=201)
def create(body: NewNote) -> tuple[NoteAnswer, dict[str, str]]:
    note = service.create(identity.current_user(), body.title, body.body)
    return answer(note), {"Location": url_for("notes.show", public_id=note.public_id)}


@blueprint.get("/<public_id:public_id>")
@api.operation("Read a note", answer=NoteAnswer)
def show(public_id: str) -> NoteAnswer:
    return answer(get_owned(Note, public_id))


@blueprint.put("/<public_id:public_id>")
@rate_limits.write
@api.operation("Change a note", body=EditedNote, answer=NoteAnswer, errors=[409])
def edit(public_id: str, body: EditedNote) -> NoteAnswer:
    note = get_owned(Note, public_id)
    service.update(note, body.version, body.title, body.body)
    return answer(note)


@blueprint.delete("/<public_id:public_id>")
@rate_limits.write
@api.operation("Delete a note", status=204, errors=[409])
def delete(public_id: str) -> None:
    service.remove(get_owned(Note, public_id))
