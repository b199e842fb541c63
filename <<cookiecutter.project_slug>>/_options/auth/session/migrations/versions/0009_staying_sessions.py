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
    stays = sa.Column("stays", sa.Boolean(), server_default=sa.false(), nullable=False)
    op.add_column("sessions", stays)


def downgrade() -> None:
    op.drop_column("sessions", "stays")
