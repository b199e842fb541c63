"""Values that are valid once, and were used.

Revision: 0003
Revises: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "used_once",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("expires_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_used_once"),
    )
    op.create_index("ix_used_once_expires_at", "used_once", ["expires_at"])


def downgrade() -> None:
    op.drop_table("used_once")
