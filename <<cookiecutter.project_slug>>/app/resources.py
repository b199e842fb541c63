"""Resources: the rows that users own. Every feature stores them in the same way.

An edit overwrites no other one, a list is read page by page along an index, and the quota of the
account counts every text, before the row is written: the account is always locked before the row,
so that two requests cannot wait for each other. The caller loads a row with
:func:`app.security.access.get_owned`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeVar

from flask import abort
from sqlalchemy import ColumnElement, Index, inspect, or_, select
from sqlalchemy.orm import Mapped, declared_attr, mapped_column
from sqlalchemy.schema import SchemaItem

from app import quotas
from app.auth.models import User
from app.database import UTCDateTime, db, now
from app.security.access import Owned
from app.security.rich_text import RichText

PAGE = 20  # rows

Row = TypeVar("Row", bound="Resource")


class Resource(Owned):
    """Mixin for a table of rows that belong to users: ``class Project(Resource, Base)``.

    ``version`` goes up with every change.
    """

    id: Mapped[int] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column()
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    updated_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now, onupdate=now)

    __mapper_args__ = {"version_id_col": version}

    @declared_attr.directive
    def __table_args__(cls) -> tuple[SchemaItem, ...]:  # SQLAlchemy passes the class # noqa: N805
        # In the order of the list: without "created_at" and "id", a database may prefer the primary
        # key and read everybody's rows.
        return (Index(None, "owner_id", "created_at", "id"),)


def page(model: type[Row], owner: User, before: Row | None = None) -> tuple[list[Row], Row | None]:
    """The owner's newest rows, at most ``PAGE``, and the last of them if older ones follow.

    :param before: only rows older than this one. An offset would make later pages cost more.
    """
    newest = model.created_at.desc(), model.id.desc()
    query = select(model).where(model.owner_id == owner.id).order_by(*newest).limit(PAGE + 1)
    if before is not None:
        # Not every database uses the index for the second condition; so the first one repeats a
        # part of it.
        older = or_(model.created_at < before.created_at, model.id < before.id)
        query = query.where(model.created_at <= before.created_at, older)
    rows = list(db.session.scalars(query))
    return rows[:PAGE], rows[PAGE - 1] if len(rows) > PAGE else None


def create(model: type[Row], owner: User, /, **values: Any) -> Row:
    """Store a new row with these values, by column.

    :raises app.quotas.QuotaError: when the owner's account is full.
    """
    row = model()
    _write(row, values)
    row.owner_id = owner.id
    size = _size_of(row)
    quotas.charge(owner.id, rows=1, size=size)
    db.session.add(row)
    db.session.flush()
    if defaults := _size_of(row) - size:  # texts that the columns have by themselves
        quotas.charge(owner.id, size=defaults)
    db.session.commit()
    return row


def update(row: Row, /, version: int, **values: Any) -> Row:
    """Change these values of a row.

    :param version: the version that the user has seen.
    :raises werkzeug.exceptions.Conflict: when the row has changed since ``version``.
    :raises sqlalchemy.orm.exc.StaleDataError: when it changes at this very moment; also 409.
    :raises app.quotas.QuotaError: when the owner's account has no room for the new text.
    """
    if row.version != version:
        abort(409, "This was changed in the meantime. Reload it and try again.")
    before = _size_of(row)
    _write(row, values)
    size = _size_of(row)
    with db.session.no_autoflush:
        quotas.charge(row.owner_id, size=size - before)
    db.session.flush()
    if defaults := _size_of(row) - size:
        quotas.charge(row.owner_id, size=defaults)
    db.session.commit()
    return row


def remove(row: Resource) -> None:
    """Delete a row.

    :raises sqlalchemy.orm.exc.StaleDataError: when it changes at this very moment.
    """
    quotas.charge(row.owner_id, rows=-1, size=-_size_of(row))
    db.session.delete(row)
    db.session.commit()


def _write(row: Resource, values: dict[str, Any]) -> None:
    """Set these columns. Rich text is cleaned now: what is answered and counted is what is stored.

    :raises TypeError: for a name that is no column and no rich text.
    """
    columns, texts = _columns(row), inspect(type(row)).composites
    for name, value in values.items():
        if name not in columns and name not in texts:
            raise TypeError(f"{type(row).__name__} has no column {name!r}")
        written = name in texts and not isinstance(value, RichText)
        setattr(row, name, RichText(value) if written else value)


def _size_of(row: Resource) -> int:
    """The bytes of all texts that a row stores for its owner."""
    values = (getattr(row, name) for name in _columns(row) if name != "public_id")
    return quotas.size_of(*(value for value in values if isinstance(value, str)))


def _columns(row: Resource) -> dict[str, ColumnElement[Any]]:
    return {it.key: it.columns[0] for it in inspect(type(row)).column_attrs}
