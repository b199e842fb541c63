"""Alembic's environment: run by ``flask db ...`` inside the app, as the role that may migrate."""

from __future__ import annotations

from alembic import context

from app.auth import models as auth_models  # noqa: F401 - registers its tables
from app.database import Base, db, migrating
from app.notes import models as note_models  # noqa: F401 - registers its tables

with db.get_engine("migration").connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        compare_type=True,
        compare_server_default=True,
        render_as_batch=True,  # SQLite cannot alter a column; batch mode copies the table
    )
    with context.begin_transaction():
        migrating.before(connection)
        context.run_migrations()
        migrating.after(connection, db.engine.url)
