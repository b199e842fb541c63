"""The project forms."""

from __future__ import annotations

from wtforms import DateField, StringField
from wtforms.validators import InputRequired

from app.fields import PlainText, RichTextField
from app.projects.models import MAX_NAME
from app.resource_forms import RowForm, Versioned


class ProjectForm(RowForm):
    """A new project."""

    name = StringField("Name", [PlainText(1, MAX_NAME)])
    goal = RichTextField("Goal")
    due = DateField("Due", [InputRequired()])


class EditForm(Versioned, ProjectForm):
    """A changed project."""
