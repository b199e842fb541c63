"""The table of the samples."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.auth import models  # noqa: F401 - the table has a foreign key to its users
from app.database import Base, UTCDateTime, now
from app.security.access import Owned
from app.security.sanitization import RichText


class Sample(Owned, Base):
    """A row with a line of text and a rich text."""

    __tablename__ = "samples"
    __table_args__ = (Index(None, "owner_id", "created_at", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(120))
    body: Mapped[str] = mapped_column(RichText)
    version: Mapped[int] = mapped_column()
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    updated_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now, onupdate=now)

    __mapper_args__ = {"version_id_col": version}


Base.metadata.remove(Sample.__table__)  # type: ignore[arg-type] - no migration makes it
