"""Alembic's environment: ``flask db`` runs it inside the app, which has all tables."""

from __future__ import annotations

from typing import Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.rewriter import Rewriter
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy.types import TypeDecorator

# <% if cookiecutter.database == "sqlite" %>
from app.database import Base, migration_engine
# <% else %>
from app.database import Base, migrating, migration_engine, roles
# <% endif %>


def render_item(kind: str, item: object, autogenerate: AutogenContext) -> str | Literal[False]:
    """Write a column type of the app as the type in the database: the app's may be gone later."""
    if kind != "type" or not isinstance(item, TypeDecorator):
        return False  # as Alembic writes it
    stored = item.impl_instance
    package = type(stored).__module__.rpartition(".")[0]
    if package == "sqlalchemy.sql":
        return f"sa.{stored!r}"
    autogenerate.imports.add(f"import {package}")
    return f"{package}.{stored!r}"


rewriter = Rewriter()


@rewriter.rewrites(ops.UpgradeOps)
@rewriter.rewrites(ops.DowngradeOps)
def drop_a_table_alone(
    context: MigrationContext, revision: object, directive: ops.OpContainer
) -> ops.OpContainer:
    """Leave out the indexes of a dropped table: MySQL keeps one that a foreign key needs."""
    dropped = {it.table_name for it in directive.ops if isinstance(it, ops.DropTableOp)}
    directive.ops = [
        it
        for it in directive.ops
        if isinstance(it, ops.DropTableOp) or getattr(it, "table_name", None) not in dropped
    ]
    return directive


with migration_engine().connect() as connection:
    # <% if cookiecutter.database == "sqlite" %>
    # To alter a table, batch mode drops it and creates it again. With foreign keys on, SQLite would
    # delete all rows that refer to it: all sessions, if a column of users changes.
    connection.detach()  # no request uses this connection afterwards
    connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
    connection.commit()
    # <% endif %>
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        compare_type=True,
        compare_server_default=True,
        render_item=render_item,
        process_revision_directives=rewriter,
        # <% if cookiecutter.database == "sqlite" %>
        render_as_batch=True,  # SQLite cannot alter a column; batch mode copies the table
        transactional_ddl=True,  # SQLite can; Alembic would commit after each migration
        # <% endif %>
    )
    with context.begin_transaction():
        # <% if cookiecutter.database == "sqlite" %>
        # Wait for a migration that runs at the same time: only one connection writes.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        context.run_migrations()
        if broken := connection.exec_driver_sql("PRAGMA foreign_key_check").all():
            raise ValueError(f"rows would refer to rows that are gone: {broken[:3]}")
        # <% else %>
        migrating.before(connection)
        context.run_migrations()
        migrating.after(connection, roles.from_settings())
        # <% endif %>
