"""The bodies of requests and answers about notes."""

from __future__ import annotations

from typing import Annotated

from app.fields import PlainText, RichText
from app.notes.models import MAX_TITLE
from app.schemas import Page, Row, Versioned
from app.validation import Model


class NewNote(Model):
    """A new note."""

    title: Annotated[str, PlainText(1, MAX_TITLE)]
    body: RichText


class EditedNote(NewNote, Versioned):
    """A changed note, and the version that the client has read: no edit overwrites another."""


class NoteAnswer(Row):
    """A note."""

    title: str
    body: str
    body_html: str


class NotePage(Page):
    """Notes, the newest first, and the ``before`` of the next page, if there are older notes."""

    notes: list[NoteAnswer]
