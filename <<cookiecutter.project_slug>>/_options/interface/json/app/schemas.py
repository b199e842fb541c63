"""What the requests and answers about rows of :mod:`app.resources` have in common."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from app.fields import PublicId
from app.validation import Model


class Versioned(Model):
    """The version that the client has read: no edit overwrites another."""

    version: int


class Row(Model):
    """The base of an answer with a row. It lists its fields: a new column is not shown by itself.

    Of a rich text ``body``, ``body`` is the Markdown as it was written and ``body_html`` the clean
    HTML. A client that shows either as text escapes it, as any text.
    """

    id: str = Field(validation_alias="public_id")
    version: int
    created_at: datetime
    updated_at: datetime


class PageRequest(Model):
    """Where the page begins: after the row with this id."""

    before: PublicId | None = None


class Page(Model):
    """The base of an answer with a list: the ``before`` of the next page, if one follows."""

    next: str | None
