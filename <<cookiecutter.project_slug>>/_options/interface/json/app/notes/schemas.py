"""The bodies of requests and answers about notes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, Field

from app.database import PUBLIC_ID_LENGTH
from app.notes.models import MAX_TITLE
from app.security.sanitization import MAX_RICH_TEXT, clean_line, sanitize_html
from app.validation import Model


def plain_title(text: str) -> str:
    return clean_line(text, MAX_TITLE)


def rich_text(text: str) -> str:
    cleaned = sanitize_html(text)
    if not cleaned.strip():
        raise ValueError("Write something. (Tags that are not allowed do not count.)")
    return cleaned


# JSON Schema describes here what the functions above check. The lengths count after normalization
# and cleaning. Neither text may contain control characters, and the title is one line.
CONTROLS = r"\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069"
LINE_BREAKS = r"\t\n\r\u2028\u2029"
TITLE = {
    "minLength": 1,
    "maxLength": MAX_TITLE,
    "pattern": rf"^[^{CONTROLS}{LINE_BREAKS}]*[^{CONTROLS}\s][^{CONTROLS}{LINE_BREAKS}]*$",
}
BODY = {
    "description": "HTML. Tags that are not allowed are removed; some text must remain.",
    "minLength": 1,
    "maxLength": MAX_RICH_TEXT,
    "pattern": rf"^[^{CONTROLS}]*[^{CONTROLS}\s][^{CONTROLS}]*$",
}
Title = Annotated[str, AfterValidator(plain_title), Field(json_schema_extra=TITLE)]
Body = Annotated[str, AfterValidator(rich_text), Field(json_schema_extra=BODY)]
PublicId = Annotated[str, Field(pattern=f"^[A-Za-z0-9_-]{{{PUBLIC_ID_LENGTH}}}$")]


class NewNote(Model):
    """A new note."""

    title: Title
    body: Body


class EditedNote(NewNote):
    """A changed note, and the version that the client has read: no edit overwrites another."""

    version: int


class NoteAnswer(Model):
    """A note. ``body`` is clean HTML; a client that shows it as text escapes it, as any text."""

    id: str
    title: str
    body: str
    version: int
    created_at: datetime
    updated_at: datetime


class PageRequest(Model):
    """Where the page begins: after the note with this id."""

    before: PublicId | None = None


class NotePage(Model):
    """Notes, the newest first, and the ``before`` of the next page, if there are older notes."""

    notes: list[NoteAnswer]
    next: str | None
