"""The table of the samples."""

from __future__ import annotations

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base
from app.resources import Resource
from app.security.rich_text import RichText, rich_text

MAX_TITLE = 120  # characters


class Sample(Resource, Base):
    """A row with a line of text and a rich text."""

    __tablename__ = "samples"

    title: Mapped[str] = mapped_column(String(MAX_TITLE))
    body: Mapped[RichText] = rich_text("body")


Base.metadata.remove(Sample.__table__)  # no migration makes it
