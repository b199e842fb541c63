"""The routes for projects."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, url_for

from app import api, resources
from app.auth import identity
from app.projects.models import Project
from app.projects.schemas import EditedProject, NewProject, ProjectAnswer, ProjectPage
from app.schemas import PageRequest
from app.security.access import get_owned

blueprint = Blueprint("projects", __name__, url_prefix="/api/v1/projects")


@blueprint.get("")
@api.operation("List the newest projects", query=PageRequest, answer=ProjectPage, errors=[404])
def index(query: PageRequest) -> dict[str, Any]:
    before = get_owned(Project, query.before) if query.before else None
    rows, last = resources.page(Project, identity.current_user(), before)
    return {"projects": rows, "next": last and last.public_id}


@blueprint.post("")
@api.operation("Plan a project", body=NewProject, answer=ProjectAnswer, status=201)
def create(body: NewProject) -> tuple[Project, dict[str, str]]:
    project = resources.create(Project, identity.current_user(), **dict(body))
    return project, {"Location": url_for(".show", public_id=project.public_id)}


@blueprint.get("/<public_id:public_id>")
@api.operation("Read a project", answer=ProjectAnswer)
def show(public_id: str) -> Project:
    return get_owned(Project, public_id)


@blueprint.put("/<public_id:public_id>")
@api.operation("Change a project", body=EditedProject, answer=ProjectAnswer, errors=[409])
def edit(public_id: str, body: EditedProject) -> Project:
    return resources.update(get_owned(Project, public_id), **dict(body))


@blueprint.delete("/<public_id:public_id>")
@api.operation("Delete a project", status=204, errors=[409])
def delete(public_id: str) -> None:
    resources.remove(get_owned(Project, public_id))
