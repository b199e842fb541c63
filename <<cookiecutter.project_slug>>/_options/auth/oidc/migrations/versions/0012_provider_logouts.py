"""Logouts at the provider, for sign-ins in flight.

Revision: 0012
Revises: 0011
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "provider_logouts",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("ended_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_provider_logouts"),
    )
    op.create_index("ix_provider_logouts_ended_at", "provider_logouts", ["ended_at"])


def downgrade() -> None:
    op.drop_table("provider_logouts")
