"""Which sessions are those of users who chose to stay signed in.

Revision: 0009
Revises: 0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Without a default: databases write that of a Boolean in different ways.
    op.add_column("sessions", sa.Column("stays", sa.Boolean(), nullable=True))


def downgrade() -> None:
    op.drop_column("sessions", "stays")
