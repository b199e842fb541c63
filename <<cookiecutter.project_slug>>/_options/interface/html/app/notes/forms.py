"""The note forms."""

from __future__ import annotations

from wtforms import StringField

from app.fields import PlainText, RichTextField
from app.notes.models import MAX_TITLE
from app.resource_forms import RowForm, Versioned


class NoteForm(RowForm):
    """A new note."""

    title = StringField("Title", [PlainText(1, MAX_TITLE)])
    body = RichTextField("Body")


class EditForm(Versioned, NoteForm):
    """A changed note."""
