"""Migrations: from nothing to the models and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import MetaData, Table, insert, inspect, select

from app.auth.models import Session, User
from app.database import Base, db, is_migrated, migration_engine, now
from app.notes.models import Note
from tests.browser import account


@pytest.fixture
def empty(make_app: Callable[..., Flask], own_database: dict[str, str]) -> Flask:
    """The service on a database without a table."""
    return make_app(**own_database)


def run(app: Flask, *arguments: str) -> Any:
    return app.test_cli_runner().invoke(args=["db", *arguments])


def tables(app: Flask) -> set[str]:
    with app.app_context():
        return set(inspect(db.engine).get_table_names()) - {"alembic_version"}


def test_up_down_and_up_again(empty: Flask) -> None:
    for _ in range(2):
        assert run(empty, "upgrade").exit_code == 0
        assert tables(empty) == set(Base.metadata.tables) >= {"users", "sessions", "notes"}
        with empty.app_context():
            assert is_migrated()
        assert run(empty, "downgrade", "base").exit_code == 0
        assert tables(empty) == set()
        with empty.app_context():
            assert not is_migrated()


def test_migrating_twice_changes_nothing(empty: Flask) -> None:
    for _ in range(2):
        result = run(empty, "upgrade")
        assert (result.exit_code, result.stdout) == (0, "Database schema is at head.\n")


def test_the_migrations_make_what_the_models_say(empty: Flask) -> None:
    assert run(empty, "upgrade").exit_code == 0
    result = run(empty, "check")
    assert result.exit_code == 0, result.output
    with empty.app_context():
        found = inspect(db.engine)
        for table in Base.metadata.sorted_tables:
            # Alembic does not compare these on every database.
            foreign = {
                (k["name"], k["options"].get("ondelete"))
                for k in found.get_foreign_keys(table.name)
            }
            assert foreign == {(str(k.name), k.ondelete) for k in table.foreign_key_constraints}
            primary = found.get_pk_constraint(table.name)["name"]
            assert primary in (table.primary_key.name, None)  # MySQL has no name for it


def test_what_accounts_keep_already_is_counted_and_nothing_is_lost(empty: Flask) -> None:
    """SQLite alters a table by dropping it where one is careless, and what refers to it goes too."""
    assert run(empty, "upgrade", "0001").exit_code == 0
    moments = dict.fromkeys(("created_at", "last_seen_at", "updated_at"), now())
    texts = dict.fromkeys(("address", "device"), "") | {"title": "Tä", "body": "\U0001f980"}
    owned = {"owner_id": 1, "user_id": 1, "version": 1, "token_hash": "t", "is_operator": False}
    values = moments | texts | owned | account("a@example.com")
    with empty.app_context(), migration_engine().begin() as connection:
        for name, number in (("users", 1), ("sessions", 1), ("notes", 1), ("notes", 2)):
            table = Table(name, MetaData(), autoload_with=connection)  # as it was then
            values |= {"id": number, "public_id": f"{number}" * 22}
            row = {column.name: values[column.name] for column in table.c if not column.nullable}
            connection.execute(insert(table), row)
    for _ in range(2):
        assert run(empty, "upgrade").exit_code == 0
        with empty.app_context():
            found = db.session.scalars(select(User)).one()
            assert (found.stored_rows, found.stored_bytes) == (2, 2 * 7)
            assert (found.failures, found.refusals, found.failed_at) == (0, 0, None)
            assert len(db.session.scalars(select(Note)).all()) == 2
            assert len(db.session.scalars(select(Session)).all()) == 1
        assert run(empty, "downgrade", "0001").exit_code == 0


def test_a_change_without_a_migration_is_noticed(empty: Flask) -> None:
    assert run(empty, "upgrade").exit_code == 0
    with empty.app_context(), migration_engine().begin() as connection:
        connection.exec_driver_sql("CREATE INDEX ix_notes_version ON notes (version)")
    assert run(empty, "check").exit_code != 0


def test_a_migration_that_fails_says_so(empty: Flask) -> None:
    result = run(empty, "upgrade", "no-such-revision")
    assert result.exit_code != 0
    assert "no-such-revision" in result.output + str(result.exception)
