"""How and when the user of a session last proved their identity.

Revision: 0007
Revises: << "0004" if cookiecutter.auth == "oidc" else "0006" >>
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "<< '0004' if cookiecutter.auth == 'oidc' else '0006' >>"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "sessions", sa.Column("proof", sa.String(16), server_default=sa.text("''"), nullable=False)
    )
    op.add_column("sessions", sa.Column("proven_at", sa.DateTime(), nullable=True))


def downgrade() -> None:
    op.drop_column("sessions", "proven_at")
    op.drop_column("sessions", "proof")
