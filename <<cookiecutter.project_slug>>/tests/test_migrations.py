"""Migrations: from nothing to the models and back."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import (
    Column,
    ForeignKey,
    Integer,
    Table,
    func,
    inspect,
    select,
)

from app import database
from app.auth import sessions
from app.auth.models import Session, User
from app.database import (
    Base,
    PublicId,
    UTCDateTime,
    db,
    is_migrated,
    migration_engine,
)
from app.security.sanitization import StoredHTML
from tests.browser import account
from tests.database import flask_db
from tests.marks import slow


@pytest.fixture
def empty(make_app: Callable[..., Flask], own_database: dict[str, str]) -> Flask:
    """The service on a database without a table."""
    return make_app(**own_database)


def tables(app: Flask) -> set[str]:
    with app.app_context():
        return set(inspect(db.engine).get_table_names()) - {"alembic_version"}


@slow
def test_up_down_and_up_again(empty: Flask) -> None:
    for _ in range(2):
        assert flask_db(empty, "upgrade").exit_code == 0
        assert tables(empty) == set(Base.metadata.tables) >= {"users", "sessions"}
        with empty.app_context():
            assert is_migrated()
        assert flask_db(empty, "downgrade", "base").exit_code == 0
        assert tables(empty) == set()
        with empty.app_context():
            assert not is_migrated()


def test_migrating_twice_changes_nothing(empty: Flask) -> None:
    for _ in range(2):
        result = flask_db(empty, "upgrade")
        assert (result.exit_code, result.stdout) == (0, "Database schema is at head.\n")


@slow
def test_the_migrations_make_what_the_models_say(empty: Flask) -> None:
    assert flask_db(empty, "upgrade").exit_code == 0
    result = flask_db(empty, "check")
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


@slow
def test_a_change_without_a_migration_is_noticed(empty: Flask) -> None:
    assert flask_db(empty, "upgrade").exit_code == 0
    with empty.app_context(), migration_engine().begin() as connection:
        connection.exec_driver_sql("CREATE INDEX ix_sessions_device ON sessions (device)")
    assert flask_db(empty, "check").exit_code != 0


def test_a_migration_that_fails_says_so(empty: Flask) -> None:
    result = flask_db(empty, "upgrade", "no-such-revision")
    assert result.exit_code != 0
    assert "no-such-revision" in result.output + str(result.exception)


# --- Migrations of the owner's


@pytest.fixture
def probes() -> Iterator[Table]:
    """A table as the owner of the service adds one, with the column types of this app.

    Its name is one that no service has.
    """
    table = Table(
        "probes",
        Base.metadata,
        Column("id", Integer, primary_key=True),
        Column("public_id", PublicId, unique=True, nullable=False),
        Column("owner_id", ForeignKey("users.id", ondelete="CASCADE"), index=True, nullable=False),
        Column("body", StoredHTML, nullable=False),
        Column("due_at", UTCDateTime, nullable=True),
    )
    yield table
    Base.metadata.remove(table)


@slow
def test_a_new_model_becomes_a_migration(empty: Flask, own_migrations: Path, probes: Table) -> None:
    assert flask_db(empty, "upgrade").exit_code == 0
    (head,), before = database.heads(), tables(empty)
    result = flask_db(empty, "revision", "--message", "add probes")
    assert result.exit_code == 0, result.output
    (written,) = own_migrations.glob("versions/*_add_probes.py")
    text = written.read_text("utf-8")
    assert "app." not in text, "a migration outlives the code of the app"
    for check in (["check"], ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *check, written]
        linted = subprocess.run(command, capture_output=True, text=True, check=False)
        assert linted.returncode == 0, linted.stdout
    database.heads.cache_clear()
    for _ in range(2):
        assert flask_db(empty, "upgrade").exit_code == 0
        assert tables(empty) == before | {"probes"}
        result = flask_db(empty, "check")
        assert result.exit_code == 0, result.output
        assert flask_db(empty, "downgrade", head).exit_code == 0
        assert tables(empty) == before


def write(migrations: Path, name: str, follows: str, statement: str) -> None:
    """Write a migration by hand."""
    text = (
        "import sqlalchemy as sa\nfrom alembic import op\n"
        f'revision = "{name}"\ndown_revision = "{follows}"\n'
        f"def upgrade():\n    {statement}\ndef downgrade():\n    pass\n"
    )
    (migrations / "versions" / f"{name}.py").write_text(text, "utf-8")
    database.heads.cache_clear()


def test_a_change_of_a_table_loses_no_row_that_refers_to_it(
    empty: Flask, own_migrations: Path
) -> None:
    """SQLite alters a table by dropping it, and would delete every session with its user."""
    (head,) = database.heads()
    assert flask_db(empty, "upgrade").exit_code == 0
    with empty.app_context():
        user = User(**account("a@example.com"))
        db.session.add(user)
        db.session.flush()
        sessions.start(user, address="", device="", proof="password", proven_at=None)
        db.session.commit()
    column = 'sa.Column("nickname", sa.String(20))'
    alter = f'with op.batch_alter_table("users", recreate="auto") as t: t.add_column({column}); '
    write(
        own_migrations, "nickname", head, alter + 't.alter_column("failures", server_default="1")'
    )
    result = flask_db(empty, "upgrade")
    assert result.exit_code == 0, result.output
    with empty.app_context(), db.engine.connect() as connection:
        for table in (User.__table__, Session.__table__):
            assert connection.scalar(select(func.count()).select_from(table)) == 1


@slow
def test_two_heads_of_the_migrations_are_merged(empty: Flask, own_migrations: Path) -> None:
    """The template brought one while the owner wrote one."""
    (head,) = database.heads()
    for name in ("mine", "theirs"):
        write(
            own_migrations, name, head, f'op.create_table("{name}", sa.Column("id", sa.Integer()))'
        )
    result = flask_db(empty, "upgrade")
    assert result.exit_code != 0
    assert "2 heads of the migrations" in result.output
    assert "mine and theirs" in result.output
    assert "make merge-migrations" in result.output
    assert tables(empty) == set(), "nothing is half done"
    assert flask_db(empty, "merge").exit_code == 0
    database.heads.cache_clear()
    result = flask_db(empty, "upgrade")
    assert result.exit_code == 0, result.output
    assert tables(empty) >= {"mine", "theirs"}
    with empty.app_context():
        assert is_migrated()
    assert "nothing to merge" in flask_db(empty, "merge").output
