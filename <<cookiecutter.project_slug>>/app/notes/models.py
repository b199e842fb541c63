"""The table of the notes."""

from __future__ import annotations

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base
from app.resources import Resource
from app.security.rich_text import RichText, rich_text

MAX_TITLE = 120  # characters


class Note(Resource, Base):
    """A note."""

    __tablename__ = "notes"

    title: Mapped[str] = mapped_column(String(MAX_TITLE))
    body: Mapped[RichText] = rich_text("body")
