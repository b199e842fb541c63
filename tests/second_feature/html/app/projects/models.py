"""The table of the projects."""

from __future__ import annotations

from datetime import date

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base
from app.resources import Resource
from app.security.rich_text import RichText, rich_text

MAX_NAME = 80  # characters


class Project(Resource, Base):
    """Work that has to be done by some day."""

    __tablename__ = "projects"

    name: Mapped[str] = mapped_column(String(MAX_NAME))
    goal: Mapped[RichText] = rich_text("goal")
    due: Mapped[date] = mapped_column()
