"""Notes from before there were quotas."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask
from sqlalchemy import MetaData, Table, insert, select

from app.auth.models import Session, User
from app.database import db, migration_engine, now
from app.notes.models import Note
from tests.browser import account
from tests.database import flask_db


def test_what_accounts_keep_already_is_counted_and_nothing_is_lost(
    make_app: Callable[..., Flask], own_database: dict[str, str]
) -> None:
    """Batch mode alters a SQLite table by dropping it; rows that refer to it are deleted too."""
    empty = make_app(**own_database)
    assert flask_db(empty, "upgrade", "0001").exit_code == 0
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
        assert flask_db(empty, "upgrade").exit_code == 0
        with empty.app_context():
            found = db.session.scalars(select(User)).one()
            assert (found.stored_rows, found.stored_bytes) == (2, 2 * 7)
            assert (found.failures, found.refusals, found.failed_at) == (0, 0, None)
            assert len(db.session.scalars(select(Note)).all()) == 2
            assert len(db.session.scalars(select(Session)).all()) == 1
        assert flask_db(empty, "downgrade", "0001").exit_code == 0
