"""The note forms."""

from __future__ import annotations

from wtforms import IntegerField, StringField
from wtforms.validators import InputRequired
from wtforms.widgets import HiddenInput

from app.fields import PlainText, RichTextField, TextForm
from app.notes.models import MAX_TITLE


class NoteForm(TextForm):
    """A new note."""

    title = StringField("Title", [PlainText(1, MAX_TITLE)])
    body = RichTextField("Note")


class EditForm(NoteForm):
    """A note and the version of it that was shown for editing."""

    version = IntegerField(widget=HiddenInput(), validators=[InputRequired()])
