"""The pages for projects."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app import resources
from app.auth import identity
from app.projects.forms import EditForm, ProjectForm
from app.projects.models import Project
from app.resource_forms import save
from app.security.access import get_owned

blueprint = Blueprint("projects", __name__, url_prefix="/projects")


@blueprint.context_processor
def words() -> dict[str, str]:
    """What the templates call a row, and several, and which column names it."""
    return {"name": "project", "names": "projects", "label": "name"}


@blueprint.get("/")
def index() -> str:
    """The newest projects, or those before another one."""
    before = request.args.get("before")
    last_seen = get_owned(Project, before) if before else None
    rows, last = resources.page(Project, identity.current_user(), last_seen)
    return render_template("resources/index.html", rows=rows, older=last and last.public_id)


@blueprint.route("/new", methods=["GET", "POST"])
def create() -> ResponseReturnValue:
    """Plan a project."""
    form, owner = ProjectForm(), identity.current_user()
    project, status = save(form, lambda: resources.create(Project, owner, **form.values()))
    if project is not None:
        return redirect(url_for(".show", public_id=project.public_id))
    return render_template("resources/form.html", form=form), status


@blueprint.get("/<public_id:public_id>")
def show(public_id: str) -> str:
    """Read a project."""
    return render_template("projects/show.html", row=get_owned(Project, public_id))


@blueprint.route("/<public_id:public_id>/edit", methods=["GET", "POST"])
def edit(public_id: str) -> ResponseReturnValue:
    """Change a project."""
    project = get_owned(Project, public_id)
    form = EditForm(obj=project)
    saved, status = save(form, lambda: resources.update(project, **form.values()), project)
    if saved is not None:
        flash("Saved.")
        return redirect(url_for(".show", public_id=public_id))
    return render_template("resources/form.html", form=form, row=project), status


@blueprint.post("/<public_id:public_id>/delete")
def delete(public_id: str) -> ResponseReturnValue:
    """Delete a project."""
    resources.remove(get_owned(Project, public_id))
    flash("The project is deleted.")
    return redirect(url_for(".index"))
