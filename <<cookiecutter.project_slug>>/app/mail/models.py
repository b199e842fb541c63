"""Mails that wait to be sent."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base, UTCDateTime, now
from app.database.secret_string import SecretString
from app.secret import Secret

MAX_RECIPIENT = 254  # characters, as of every address: RFC 5321 section 4.5.3.1.3


class Mail(Base):
    """A mail in the outbox. Its content is encrypted, and empty once it is sent."""

    __tablename__ = "outbox"
    __table_args__ = (Index("ix_outbox_state", "state", "due_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(32))  # what it is about, for the log and the operator
    recipient: Mapped[Secret] = mapped_column(SecretString(MAX_RECIPIENT), index=True)
    content: Mapped[str] = mapped_column(Text)  # the subject, an empty line, the text
    message_id: Mapped[str] = mapped_column(String(255))
    state: Mapped[str] = mapped_column(String(8), default="waiting")  # or "sent", "given up"
    attempts: Mapped[int] = mapped_column(default=0)
    error: Mapped[str] = mapped_column(String(200), default="")  # why the last attempt failed
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    # When it is sent next, while it waits; when the row is deleted, afterwards.
    due_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
