"""Markdown beside the HTML of rich text.

Revision: 0010
Revises: << "0007" if cookiecutter.auth == "oidc" else "0009" >>
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "<< '0007' if cookiecutter.auth == 'oidc' else '0009' >>"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Empty for what is there: the service makes it of the HTML, and an older version, which may
    # still run, writes none.
    op.add_column("notes", sa.Column("body_source", sa.Text(), nullable=True))


def downgrade() -> None:
    _uncount_sources_of_notes()
    op.drop_column("notes", "body_source")


def _uncount_sources_of_notes() -> None:
    """Take the sources from what the accounts of their owners count."""
    users = sa.table("users", *map(sa.column, ("id", "stored_bytes")))
    notes = sa.table("notes", *map(sa.column, ("owner_id", "body_source")))
    size = sa.func.octet_length(notes.c.body_source)
    if op.get_bind().dialect.name == "sqlite":  # older SQLite counts letters, but for a BLOB
        size = sa.func.length(sa.cast(notes.c.body_source, sa.LargeBinary()))
    sizes = sa.select(sa.func.coalesce(sa.func.sum(size), 0)).where(notes.c.owner_id == users.c.id)
    op.execute(sa.update(users).values(stored_bytes=users.c.stored_bytes - sizes.scalar_subquery()))
