"""The pages for samples."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm.exc import StaleDataError
from werkzeug.exceptions import Conflict
from wtforms import IntegerField, StringField
from wtforms.validators import InputRequired
from wtforms.widgets import HiddenInput

from app.auth import identity
from app.database import db
from app.fields import PlainText, RichTextField, TextForm
from app.quotas import QuotaError
from app.security import rate_limits
from app.security.access import get_owned
from tests.sample import service
from tests.sample.models import Sample

blueprint = Blueprint("samples", __name__, url_prefix="/samples", template_folder="templates")


class SampleForm(TextForm):
    title = StringField("Title", [PlainText(1, 120)])
    body = RichTextField("Text")


class EditForm(SampleForm):
    version = IntegerField(widget=HiddenInput(), validators=[InputRequired()])


@blueprint.get("/")
def index() -> str:
    before = request.args.get("before")
    rows, last = service.page(
        identity.current_user(), get_owned(Sample, before) if before else None
    )
    return render_template("samples/index.html", rows=rows, older=last and last.public_id)


@blueprint.route("/new", methods=["GET", "POST"])
@rate_limits.write
def create() -> ResponseReturnValue:
    form = SampleForm()
    error, status = None, 422 if form.is_submitted() else 200
    if form.validate_on_submit():
        try:
            row = service.create(
                identity.current_user(), form.title.data or "", form.body.data or ""
            )
        except QuotaError as full:
            db.session.rollback()
            error, status = full.description, full.code
        else:
            return redirect(url_for("samples.show", public_id=row.public_id))
    return render_template("samples/form.html", form=form, error=error), status


@blueprint.get("/<public_id:public_id>")
def show(public_id: str) -> str:
    return render_template("samples/show.html", row=get_owned(Sample, public_id))


@blueprint.route("/<public_id:public_id>/edit", methods=["GET", "POST"])
@rate_limits.write
def edit(public_id: str) -> ResponseReturnValue:
    row = get_owned(Sample, public_id)
    form = EditForm(obj=row)
    error, status = None, 422 if form.is_submitted() else 200
    if form.validate_on_submit():
        try:
            service.update(row, form.version.data or 0, form.title.data or "", form.body.data or "")
        except (Conflict, StaleDataError):
            db.session.rollback()
            error, status = "Changed in the meantime.", 409
            form.version.data, form.version.raw_data = row.version, None
        except QuotaError as full:
            db.session.rollback()
            error, status = full.description, full.code
        else:
            return redirect(url_for("samples.show", public_id=public_id))
    return render_template("samples/form.html", form=form, error=error), status


@blueprint.post("/<public_id:public_id>/delete")
@rate_limits.write
def delete(public_id: str) -> ResponseReturnValue:
    service.remove(get_owned(Sample, public_id))
    return redirect(url_for("samples.index"))
