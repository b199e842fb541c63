"""What an account keeps, and failed sign-ins in a row.

Revision: 0002
Revises: 0001
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def number(name: str, kind: sa.types.TypeEngine[int]) -> sa.Column[int]:
    return sa.Column(name, kind, nullable=False, server_default=sa.text("0"))


def attempts() -> list[sa.Column[Any]]:
    return [
        number("failures", sa.Integer()),
        sa.Column("failed_at", sa.DateTime(), nullable=True),
        number("refusals", sa.Integer()),
    ]


def upgrade() -> None:
    # Column by column, not in batch mode: on SQLite, that drops the table for a moment, and every
    # row that belongs to a user with it.
    for table in ("users", "sessions"):
        for column in attempts():
            op.add_column(table, column)
    op.add_column("users", number("stored_rows", sa.Integer()))
    op.add_column("users", number("stored_bytes", sa.BigInteger()))
    op.create_table(
        "decoys",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        *attempts(),
        sa.PrimaryKeyConstraint("id", name="pk_decoys"),
    )
    _count_notes()


def downgrade() -> None:
    op.drop_table("decoys")
    op.drop_column("users", "stored_bytes")
    op.drop_column("users", "stored_rows")
    for table in ("sessions", "users"):
        for column in ("refusals", "failed_at", "failures"):
            op.drop_column(table, column)


def _count_notes() -> None:
    """Count the notes that are there, in each owner's account."""
    users = sa.table("users", *map(sa.column, ("id", "stored_rows", "stored_bytes")))
    notes = sa.table("notes", *map(sa.column, ("owner_id", "title", "body")))

    def size(column: sa.ColumnClause[str]) -> sa.ColumnElement[int]:
        # Older SQLite counts letters, but for a BLOB.
        if op.get_bind().dialect.name == "sqlite":
            return sa.func.length(sa.cast(column, sa.LargeBinary()))
        return sa.func.octet_length(column)

    own = notes.c.owner_id == users.c.id
    sizes = sa.func.sum(size(notes.c.title) + size(notes.c.body))
    op.execute(
        sa.update(users).values(
            stored_rows=sa.select(sa.func.count()).where(own).scalar_subquery(),
            stored_bytes=sa.select(sa.func.coalesce(sizes, 0)).where(own).scalar_subquery(),
        )
    )
