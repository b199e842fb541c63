"""The routes for samples."""

from __future__ import annotations

from typing import Annotated, Any

from flask import Blueprint, url_for

from app import api, resources
from app.auth import identity
from app.fields import PlainText, RichText
from app.schemas import Page, PageRequest, Row, Versioned
from app.security.access import get_owned
from app.validation import Model
from tests.sample.models import MAX_TITLE, Sample

blueprint = Blueprint("samples", __name__, url_prefix="/api/v1/samples")


class NewSample(Model):
    """A new sample."""

    title: Annotated[str, PlainText(1, MAX_TITLE)]
    body: RichText


class EditedSample(NewSample, Versioned):
    """A changed sample."""


class SampleAnswer(Row):
    """A sample."""

    title: str
    body: str
    body_html: str


class SamplePage(Page):
    """A page of samples."""

    samples: list[SampleAnswer]


@blueprint.get("")
@api.operation("List samples", query=PageRequest, answer=SamplePage, errors=[404])
def index(query: PageRequest) -> dict[str, Any]:
    before = get_owned(Sample, query.before) if query.before else None
    rows, last = resources.page(Sample, identity.current_user(), before)
    return {"samples": rows, "next": last and last.public_id}


@blueprint.post("")
@api.operation("Write a sample", body=NewSample, answer=SampleAnswer, status=201)
def create(body: NewSample) -> tuple[Sample, dict[str, str]]:
    row = resources.create(Sample, identity.current_user(), **dict(body))
    return row, {"Location": url_for(".show", public_id=row.public_id)}


@blueprint.get("/<public_id:public_id>")
@api.operation("Read a sample", answer=SampleAnswer)
def show(public_id: str) -> Sample:
    return get_owned(Sample, public_id)


@blueprint.put("/<public_id:public_id>")
@api.operation("Change a sample", body=EditedSample, answer=SampleAnswer, errors=[409])
def edit(public_id: str, body: EditedSample) -> Sample:
    return resources.update(get_owned(Sample, public_id), **dict(body))


@blueprint.delete("/<public_id:public_id>")
@api.operation("Delete a sample", status=204, errors=[409])
def delete(public_id: str) -> None:
    resources.remove(get_owned(Sample, public_id))
