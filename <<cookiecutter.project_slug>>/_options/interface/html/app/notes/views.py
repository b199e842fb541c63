"""The pages for notes."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm.exc import StaleDataError
from werkzeug.exceptions import Conflict

from app.auth import identity
from app.database import db
from app.notes import service
from app.notes.forms import EditForm, NoteForm
from app.notes.models import Note
from app.quotas import QuotaError
from app.security import rate_limits
from app.security.access import get_owned

blueprint = Blueprint("notes", __name__, url_prefix="/notes")


@blueprint.get("/")
def index() -> str:
    """The newest notes, or those before another one."""
    before = request.args.get("before")
    notes, last = service.page(identity.current_user(), get_owned(Note, before) if before else None)
    return render_template("notes/index.html", notes=notes, older=last and last.public_id)


@blueprint.route("/new", methods=["GET", "POST"])
@rate_limits.write
def create() -> ResponseReturnValue:
    """Write a note."""
    form = NoteForm()
    error, status = None, 422 if form.is_submitted() else 200
    if form.validate_on_submit():
        owner = identity.current_user()
        try:
            note = service.create(owner, form.title.data or "", form.body.data or "")
        except QuotaError as full:
            db.session.rollback()  # the form shows the text again
            error, status = full.description, full.code
        else:
            return redirect(url_for("notes.show", public_id=note.public_id))
    return render_template("notes/form.html", form=form, note=None, error=error), status


@blueprint.get("/<public_id:public_id>")
def show(public_id: str) -> str:
    """Read a note."""
    return render_template("notes/show.html", note=get_owned(Note, public_id))


@blueprint.route("/<public_id:public_id>/edit", methods=["GET", "POST"])
@rate_limits.write
def edit(public_id: str) -> ResponseReturnValue:
    """Change a note."""
    note = get_owned(Note, public_id)
    form = EditForm(obj=note)
    error, status = None, 422 if form.is_submitted() else 200
    if form.validate_on_submit():
        try:
            service.update(
                note, form.version.data or 0, form.title.data or "", form.body.data or ""
            )
        except (Conflict, StaleDataError):
            # The form keeps the text, and the user decides whether to overwrite the other change.
            db.session.rollback()
            error, status = "This note was changed in the meantime. Save again to replace it.", 409
            form.version.data, form.version.raw_data = note.version, None
        except QuotaError as full:
            db.session.rollback()
            error, status = full.description, full.code
        else:
            flash("Saved.")
            return redirect(url_for("notes.show", public_id=public_id))
    return render_template("notes/form.html", form=form, note=note, error=error), status


@blueprint.post("/<public_id:public_id>/delete")
@rate_limits.write
def delete(public_id: str) -> ResponseReturnValue:
    """Delete a note."""
    service.remove(get_owned(Note, public_id))
    flash("The note is deleted.")
    return redirect(url_for("notes.index"))
