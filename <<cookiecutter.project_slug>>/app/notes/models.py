"""The table of the notes."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base, UTCDateTime, now
from app.security.access import Owned
from app.security.sanitization import RichText

MAX_TITLE = 120  # characters


class Note(Owned, Base):
    """A short text. ``version`` goes up with every change: no edit overwrites another."""

    __tablename__ = "notes"
    # In the order of the list: without "created_at" and "id", a database may prefer the primary key
    # and read everybody's notes.
    __table_args__ = (Index(None, "owner_id", "created_at", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(MAX_TITLE))
    body: Mapped[str] = mapped_column(RichText)
    version: Mapped[int] = mapped_column()
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    updated_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now, onupdate=now)

    __mapper_args__ = {"version_id_col": version}
