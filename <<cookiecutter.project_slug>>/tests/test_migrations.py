"""Migrations: from nothing to the models and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import inspect

from app.database import Base, db, is_migrated


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


def test_a_change_without_a_migration_is_noticed(empty: Flask) -> None:
    assert run(empty, "upgrade").exit_code == 0
    with empty.app_context(), db.get_engine("migration").begin() as connection:
        connection.exec_driver_sql("CREATE INDEX ix_notes_version ON notes (version)")
    assert run(empty, "check").exit_code != 0


def test_a_migration_that_fails_says_so(empty: Flask) -> None:
    result = run(empty, "upgrade", "no-such-revision")
    assert result.exit_code != 0
    assert "no-such-revision" in result.output + str(result.exception)
