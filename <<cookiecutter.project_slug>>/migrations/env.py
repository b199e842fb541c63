"""Alembic's environment: run by ``flask db ...`` inside the app, as the role that may migrate."""

from __future__ import annotations

from alembic import context

from app.auth import models as auth_models  # noqa: F401 - registers its tables
# <% if cookiecutter.database == "sqlite" %>
from app.database import Base, migration_engine
# <% else %>
from app.database import Base, db, migrating, migration_engine
# <% endif %>
from app.notes import models as note_models  # noqa: F401 - registers its tables

with migration_engine().connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        compare_type=True,
        compare_server_default=True,
        # <% if cookiecutter.database == "sqlite" %>
        render_as_batch=True,  # SQLite cannot alter a column; batch mode copies the table
        # <% endif %>
    )
    with context.begin_transaction():
        # <% if cookiecutter.database == "sqlite" %>
        # Wait for a migration that runs at the same time: only one connection writes.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        context.run_migrations()
        # <% else %>
        migrating.before(connection)
        context.run_migrations()
        migrating.after(connection, db.engine.url)
        # <% endif %>
