"""The first tables.

Revision: 0001
Revises: nothing
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.Integer(), nullable=False),
        # <% if cookiecutter.auth == "oidc" %>
        sa.Column("issuer", sa.String(255), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("is_operator", sa.Boolean(), nullable=False),
        # <% endif %>
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("password_hash", sa.String(255), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("disabled_at", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        # <% if cookiecutter.auth == "oidc" %>
        sa.UniqueConstraint("subject", "issuer", name="uq_users_subject"),
        # <% else %>
        sa.UniqueConstraint("email", name="uq_users_email"),
        # <% endif %>
        # <% if cookiecutter.database == "sqlite" %>
        # The log keeps the id of a deleted account: no other one may get it.
        sqlite_autoincrement=True,
        # <% endif %>
    )
    # <% if cookiecutter.auth == "oidc" %>
    op.create_index("ix_users_email", "users", ["email"])
    # <% endif %>
    op.create_table(
        "sessions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("public_id", sa.String(22), nullable=False),
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(), nullable=False),
        sa.Column("address", sa.String(45), nullable=False),
        sa.Column("device", sa.String(200), nullable=False),
        # <% if cookiecutter.auth == "oidc" %>
        sa.Column("provider_sid", sa.String(255), nullable=True),
        # <% endif %>
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_sessions_user_id_users", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_sessions"),
        sa.UniqueConstraint("public_id", name="uq_sessions_public_id"),
        sa.UniqueConstraint("token_hash", name="uq_sessions_token_hash"),
    )
    for column in ("user_id", "last_seen_at"):
        op.create_index(f"ix_sessions_{column}", "sessions", [column])
    # <% if cookiecutter.auth == "oidc" %>
    op.create_index("ix_sessions_provider_sid", "sessions", ["provider_sid"])
    # <% endif %>
    op.create_table(
        "notes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("public_id", sa.String(22), nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(120), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("updated_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["users.id"], name="fk_notes_owner_id_users", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_notes"),
        sa.UniqueConstraint("public_id", name="uq_notes_public_id"),
    )
    op.create_index("ix_notes_owner_id", "notes", ["owner_id", "created_at", "id"])


def downgrade() -> None:
    op.drop_table("notes")
    op.drop_table("sessions")
    op.drop_table("users")
