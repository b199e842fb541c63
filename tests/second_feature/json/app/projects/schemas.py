"""The bodies of requests and answers about projects."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from app.fields import PlainText, RichText
from app.projects.models import MAX_NAME
from app.schemas import Page, Row, Versioned
from app.validation import Model


class NewProject(Model):
    """A new project."""

    name: Annotated[str, PlainText(1, MAX_NAME)]
    goal: RichText
    due: date


class EditedProject(NewProject, Versioned):
    """A changed project."""


class ProjectAnswer(Row):
    """A project."""

    name: str
    goal: str
    goal_html: str
    due: date


class ProjectPage(Page):
    """Projects, the newest first."""

    projects: list[ProjectAnswer]
