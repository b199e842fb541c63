"""The routes for notes."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, url_for

from app import api, resources
from app.auth import identity
from app.notes.models import Note
from app.notes.schemas import EditedNote, NewNote, NoteAnswer, NotePage
from app.schemas import PageRequest
from app.security.access import get_owned

blueprint = Blueprint("notes", __name__, url_prefix="/api/v1/notes")


@blueprint.get("")
@api.operation("List the newest notes", query=PageRequest, answer=NotePage, errors=[404])
def index(query: PageRequest) -> dict[str, Any]:
    before = get_owned(Note, query.before) if query.before else None
    rows, last = resources.page(Note, identity.current_user(), before)
    return {"notes": rows, "next": last and last.public_id}


@blueprint.post("")
@api.operation("Add a note", body=NewNote, answer=NoteAnswer, status=201)
def create(body: NewNote) -> tuple[Note, dict[str, str]]:
    note = resources.create(Note, identity.current_user(), **dict(body))
    return note, {"Location": url_for(".show", public_id=note.public_id)}


@blueprint.get("/<public_id:public_id>")
@api.operation("Read a note", answer=NoteAnswer)
def show(public_id: str) -> Note:
    return get_owned(Note, public_id)


@blueprint.put("/<public_id:public_id>")
@api.operation("Change a note", body=EditedNote, answer=NoteAnswer, errors=[409])
def edit(public_id: str, body: EditedNote) -> Note:
    return resources.update(get_owned(Note, public_id), **dict(body))


@blueprint.delete("/<public_id:public_id>")
@api.operation("Delete a note", status=204, errors=[409])
def delete(public_id: str) -> None:
    resources.remove(get_owned(Note, public_id))
