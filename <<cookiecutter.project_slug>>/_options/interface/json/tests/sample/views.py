"""The routes for samples."""

from __future__ import annotations

from flask import Blueprint, url_for

from app import api
from app.auth import identity
from app.notes.schemas import Body, PageRequest, Title
from app.security import rate_limits
from app.security.access import get_owned
from app.validation import Model
from tests.sample import service
from tests.sample.models import Sample

blueprint = Blueprint("samples", __name__, url_prefix="/api/v1/samples")


class NewSample(Model):
    title: Title
    body: Body


class EditedSample(NewSample):
    version: int


class SampleAnswer(Model):
    id: str
    title: str
    body: str
    version: int


class SamplePage(Model):
    samples: list[SampleAnswer]
    next: str | None


def answer(row: Sample) -> SampleAnswer:
    return SampleAnswer(id=row.public_id, title=row.title, body=str(row.body), version=row.version)


@blueprint.get("")
@api.operation("List samples", query=PageRequest, answer=SamplePage, errors=[404])
def index(query: PageRequest) -> SamplePage:
    before = get_owned(Sample, query.before) if query.before else None
    rows, last = service.page(identity.current_user(), before)
    return SamplePage(samples=[answer(row) for row in rows], next=last.public_id if last else None)


@blueprint.post("")
@rate_limits.write
@api.operation("Write a sample", body=NewSample, answer=SampleAnswer, status=201)
def create(body: NewSample) -> tuple[SampleAnswer, dict[str, str]]:
    row = service.create(identity.current_user(), body.title, body.body)
    return answer(row), {"Location": url_for("samples.show", public_id=row.public_id)}


@blueprint.get("/<public_id:public_id>")
@api.operation("Read a sample", answer=SampleAnswer)
def show(public_id: str) -> SampleAnswer:
    return answer(get_owned(Sample, public_id))


@blueprint.put("/<public_id:public_id>")
@rate_limits.write
@api.operation("Change a sample", body=EditedSample, answer=SampleAnswer, errors=[409])
def edit(public_id: str, body: EditedSample) -> SampleAnswer:
    row = get_owned(Sample, public_id)
    service.update(row, body.version, body.title, body.body)
    return answer(row)


@blueprint.delete("/<public_id:public_id>")
@rate_limits.write
@api.operation("Delete a sample", status=204, errors=[409])
def delete(public_id: str) -> None:
    service.remove(get_owned(Sample, public_id))
