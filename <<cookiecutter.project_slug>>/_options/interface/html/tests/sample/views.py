"""The pages for samples."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import StringField

from app import resources
from app.auth import identity
from app.fields import PlainText, RichTextField
from app.resource_forms import RowForm, Versioned, save
from app.security.access import get_owned
from tests.sample.models import MAX_TITLE, Sample

blueprint = Blueprint("samples", __name__, url_prefix="/samples", template_folder="templates")


class SampleForm(RowForm):
    """A new sample."""

    title = StringField("Title", [PlainText(1, MAX_TITLE)])
    body = RichTextField("Text")


class EditForm(Versioned, SampleForm):
    """A changed sample."""


@blueprint.context_processor
def words() -> dict[str, str]:
    """What the templates call a row, and several, and which column names it."""
    return {"name": "sample", "names": "samples", "label": "title"}


@blueprint.get("/")
def index() -> str:
    before = request.args.get("before")
    last_seen = get_owned(Sample, before) if before else None
    rows, last = resources.page(Sample, identity.current_user(), last_seen)
    return render_template("resources/index.html", rows=rows, older=last and last.public_id)


@blueprint.route("/new", methods=["GET", "POST"])
def create() -> ResponseReturnValue:
    form, owner = SampleForm(), identity.current_user()
    row, status = save(form, lambda: resources.create(Sample, owner, **form.values()))
    if row is not None:
        return redirect(url_for(".show", public_id=row.public_id))
    return render_template("resources/form.html", form=form), status


@blueprint.get("/<public_id:public_id>")
def show(public_id: str) -> str:
    return render_template("samples/show.html", row=get_owned(Sample, public_id))


@blueprint.route("/<public_id:public_id>/edit", methods=["GET", "POST"])
def edit(public_id: str) -> ResponseReturnValue:
    row = get_owned(Sample, public_id)
    form = EditForm(obj=row)
    saved, status = save(form, lambda: resources.update(row, **form.values()), row)
    if saved is not None:
        return redirect(url_for(".show", public_id=public_id))
    return render_template("resources/form.html", form=form, row=row), status


@blueprint.post("/<public_id:public_id>/delete")
def delete(public_id: str) -> ResponseReturnValue:
    resources.remove(get_owned(Sample, public_id))
    return redirect(url_for(".index"))
