"""The pages for notes."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app import resources
from app.auth import identity
from app.notes.forms import EditForm, NoteForm
from app.notes.models import Note
from app.resource_forms import save
from app.security.access import get_owned

blueprint = Blueprint("notes", __name__, url_prefix="/notes")


@blueprint.context_processor
def words() -> dict[str, str]:
    """What the templates call a row, and several, and which column names it."""
    return {"name": "note", "names": "notes", "label": "title"}


@blueprint.get("/")
def index() -> str:
    """The newest notes, or those before another one."""
    before = request.args.get("before")
    last_seen = get_owned(Note, before) if before else None
    rows, last = resources.page(Note, identity.current_user(), last_seen)
    return render_template("resources/index.html", rows=rows, older=last and last.public_id)


@blueprint.route("/new", methods=["GET", "POST"])
def create() -> ResponseReturnValue:
    """Add a note."""
    form, owner = NoteForm(), identity.current_user()
    note, status = save(form, lambda: resources.create(Note, owner, **form.values()))
    if note is not None:
        return redirect(url_for(".show", public_id=note.public_id))
    return render_template("resources/form.html", form=form), status


@blueprint.get("/<public_id:public_id>")
def show(public_id: str) -> str:
    """Read a note."""
    return render_template("notes/show.html", row=get_owned(Note, public_id))


@blueprint.route("/<public_id:public_id>/edit", methods=["GET", "POST"])
def edit(public_id: str) -> ResponseReturnValue:
    """Change a note."""
    note = get_owned(Note, public_id)
    form = EditForm(obj=note)
    saved, status = save(form, lambda: resources.update(note, **form.values()), note)
    if saved is not None:
        flash("Saved.")
        return redirect(url_for(".show", public_id=public_id))
    return render_template("resources/form.html", form=form, row=note), status


@blueprint.post("/<public_id:public_id>/delete")
def delete(public_id: str) -> ResponseReturnValue:
    """Delete a note."""
    resources.remove(get_owned(Note, public_id))
    flash("The note is deleted.")
    return redirect(url_for(".index"))
