"""SQLite: what may be named as the database, and who may read its file."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, event, text

from app import database
from app.database import db
from tests.browser import Browser
from tests.database import flask_db, migrate
from tests.live import ANSWER_TIMEOUT
from tests.marks import slow
from tests.test_migrations import tables, write
from tests.test_settings import problems

HINT = "write sqlite:////absolute/path.sqlite3"
NO_URL = f"DATABASE_URL is not a database URL; {HINT}"
NO_FILE = f"DATABASE_URL does not name a file; {HINT}"
OTHER = "DATABASE_URL is for {}; this service was rendered for SQLite"


def test_a_database_that_cannot_be_used_is_refused(make_app: Callable[..., Flask]) -> None:
    for url, problem in {
        "nonsense": NO_URL,
        "sqlite": NO_URL,
        "sqlite://host:port/file": NO_URL,
        "sqlite://": NO_FILE,
        "sqlite:///:memory:": NO_FILE,
        "sqlite://host/file.sqlite3": NO_FILE,
        "sqlite:///relative.sqlite3": f"DATABASE_URL is not an absolute path; {HINT}",
        "postgresql+psycopg://user:canary@host/db": OTHER.format("postgresql+psycopg"),
        "sqlite+nonsense:////data/file": OTHER.format("sqlite+nonsense"),
    }.items():
        assert problems(make_app, DATABASE_URL=url) == [problem], url


def test_a_file_that_others_may_read_is_refused(
    make_app: Callable[..., Flask], tmp_path: Path
) -> None:
    path = tmp_path / "file.sqlite3"
    path.touch(0o600)
    assert problems(make_app, DATABASE_URL=f"sqlite:///{path}") == []
    for mode in (0o640, 0o604, 0o620):
        path.chmod(mode)
        assert problems(make_app, DATABASE_URL=f"sqlite:///{path}") == [
            f"DATABASE_URL: others may read {path}; run chmod 600 on it"
        ]


@slow
def test_no_file_is_ever_readable_by_others(
    make_app: Callable[..., Flask], environment: dict[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "new"
    url = f"sqlite:///{folder}/file.sqlite3"
    changes = {"DATABASE_URL": url}
    previous = os.umask(0)
    try:
        # A probe that comes before the first migration must not create the file.
        for path in (folder, tmp_path):
            early = make_app(DATABASE_URL=f"sqlite:///{path}/file.sqlite3")
            assert Browser(early).get("/readyz").status_code == 503
        assert list(tmp_path.iterdir()) == []
        result = make_app(**changes).test_cli_runner().invoke(args=["db", "create"])
        assert result.exit_code == 0
        migrate({**environment, **changes})
        Browser(make_app(**changes)).sign_up("alice@example.com")
    finally:
        os.umask(previous)
    files = {file.name: file.stat().st_mode & 0o777 for file in folder.iterdir()}
    assert set(files.values()) == {0o600}, files
    assert "file.sqlite3" in files
    assert folder.stat().st_mode & 0o777 == 0o700


def test_every_connection_is_set_up(app: Flask) -> None:
    with app.app_context(), db.engine.connect() as connection:
        found = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("foreign_keys", "trusted_schema", "journal_mode")
        }
    assert found == {"foreign_keys": 1, "trusted_schema": 0, "journal_mode": "wal"}


@slow
def test_a_backup_is_of_one_moment_while_somebody_writes(
    own_service: Flask, tmp_path: Path
) -> None:
    app = own_service
    insert = text("INSERT INTO words VALUES (:word)")
    with app.app_context(), db.engine.connect() as writer, db.engine.connect() as reader:
        writer.execute(text("CREATE TABLE words (word)"))
        writer.execute(insert, {"word": "before"})
        writer.commit()
        writer.execute(insert, {"word": "half"})
        assert flask_db(app, "backup", "saved").exit_code == 0
        writer.commit()
        saved = sqlite3.connect("saved")
        assert saved.execute("SELECT word FROM words").fetchall() == [("before",)]
        saved.close()
        # Somebody reads while it is restored: what he sees, he sees to the end.
        words = text("SELECT word FROM words")
        reader.exec_driver_sql("BEGIN")
        assert len(reader.execute(words).all()) == 2
        assert flask_db(app, "restore", "saved").exit_code == 0
        assert len(reader.execute(words).all()) == 2
        reader.rollback()
        assert len(reader.execute(words).all()) == 1
        assert reader.execute(text("PRAGMA journal_mode")).scalar() == "wal"
    assert {file.name for file in tmp_path.iterdir()} == {"backups", "data", "saved"}


@slow
def test_a_damaged_database_page_is_detected(own_service: Flask) -> None:
    app = own_service
    alice = Browser(app).sign_up("alice@example.com")
    assert flask_db(app, "backup", "saved").exit_code == 0
    whole = Path("saved").read_bytes()
    Path("saved").write_bytes(whole[:8192] + bytes(4096) + whole[12288:])
    result = flask_db(app, "restore", "saved")
    message = "Error: SQLite: the backup is damaged; nothing was changed\n"
    assert (result.exit_code, result.stderr) == (1, message)
    assert alice.is_signed_in()


def test_a_backup_of_a_missing_database_creates_no_database(
    make_app: Callable[..., Flask], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    app = make_app(DATABASE_URL=f"sqlite:///{tmp_path}/none.sqlite3")
    result = flask_db(app, "backup", "saved")
    assert result.exit_code == 1
    assert "unable to open database file" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_ids_of_deleted_rows_are_not_reused(app: Flask) -> None:
    """The log keeps that of an account, and a sender records by it what became of a mail."""
    with app.app_context():
        found = db.session.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'table'"))
        never_again = {name for name, sql in found if "AUTOINCREMENT" in sql}
    assert never_again >= {"users", "outbox"}


def test_a_migration_that_leaves_rows_without_their_owner_is_refused(
    own_service: Flask, own_migrations: Path
) -> None:
    """Foreign keys are off while a table is altered, so nothing else would notice."""
    (head,) = database.heads()
    alice, before = Browser(own_service).sign_up("alice@example.com"), tables(own_service)
    write(own_migrations, "more", head, 'op.execute("CREATE TABLE more (id INTEGER)")')
    write(own_migrations, "gone", "more", 'op.execute("DELETE FROM users")')
    result = flask_db(own_service, "upgrade")
    assert result.exit_code != 0
    assert "rows would refer to rows that are gone" in f"{result.output}{result.exception}"
    assert alice.is_signed_in(), "nothing is half done"
    assert tables(own_service) == before


def test_two_migrations_at_once_are_one_after_the_other(
    own_service: Flask, own_migrations: Path, own_database: dict[str, str]
) -> None:
    """The second waits before it reads which migrations are left, or it would run one again."""
    (head,) = database.heads()
    write(own_migrations, "mine", head, 'op.execute("CREATE TABLE mine (id INTEGER)")')
    path = own_database["DATABASE_URL"].removeprefix("sqlite:///")
    waits = threading.Event()

    @event.listens_for(Engine, "before_cursor_execute")
    def noticed(*arguments: Any) -> None:
        if arguments[2].startswith(("BEGIN IMMEDIATE", "CREATE TABLE mine")):
            waits.set()

    with (
        closing(sqlite3.connect(path, isolation_level=None)) as first,
        ThreadPoolExecutor() as pool,
    ):
        try:
            first.execute("BEGIN IMMEDIATE")
            first.execute("CREATE TABLE mine (id INTEGER)")
            first.execute("UPDATE alembic_version SET version_num = 'mine'")
            second = pool.submit(flask_db, own_service, "upgrade")
            assert waits.wait(ANSWER_TIMEOUT)
            first.execute("COMMIT")
            result = second.result(ANSWER_TIMEOUT)
        finally:
            event.remove(Engine, "before_cursor_execute", noticed)
    assert (result.exit_code, result.stdout) == (0, "Database schema is at head.\n")
