"""Notes from before there were quotas, and from before there was Markdown."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask
from sqlalchemy import MetaData, Table, insert, select, update

from app import resources
from app.auth.models import Session, User
from app.database import db, migration_engine, now
from app.notes.models import Note
from app.secret import Secret
from app.security.rich_text import RichText
from app.security.scope import unscoped
from tests.browser import Browser, account
from tests.database import flask_db
from tests.marks import slow

OF_ALL = {"unscoped": "a test"}


@slow
def test_what_accounts_keep_already_is_counted_and_nothing_is_lost(
    make_app: Callable[..., Flask], own_database: dict[str, str]
) -> None:
    """Batch mode alters a SQLite table by dropping it; rows that refer to it are deleted too."""
    empty = make_app(**own_database)
    assert flask_db(empty, "upgrade", "0001").exit_code == 0
    moments = dict.fromkeys(("created_at", "last_seen_at", "updated_at"), now())
    texts = dict.fromkeys(("address", "device"), "") | {"title": "Tä", "body": "\U0001f980"}
    owned = {"owner_id": 1, "user_id": 1, "version": 1, "token_hash": "t", "is_operator": False}
    columns = account("a@example.com").items()
    known = {name: it.reveal() if isinstance(it, Secret) else it for name, it in columns}
    values = moments | texts | owned | known
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


@slow
def test_notes_in_html_can_be_read_and_edited_and_are_still_there_after_a_downgrade(
    make_app: Callable[..., Flask], own_database: dict[str, str]
) -> None:
    app = make_app(**own_database)
    assert flask_db(app, "upgrade").exit_code == 0
    Browser(app).sign_up("a@example.com")
    with app.app_context():
        owner = db.session.scalars(select(User)).one()
        new = resources.create(Note, owner, title="T", body="**ä**")
        values = {"body_source": None, "body_html": "<p>old <i>HTML</i></p>"}
        old = unscoped(Note(owner_id=owner.id, title="T", body=RichText("x")), "a test")
        db.session.add(old)
        db.session.flush()
        this = update(Note).where(Note.id == old.id).values(**values)
        db.session.execute(this, execution_options=OF_ALL)
        db.session.commit()
        db.session.expire_all()
        assert (old.body, old.body.html) == ("old *HTML*", "<p>old <i>HTML</i></p>")
        before = owner.stored_bytes
        numbers = old.id, new.id
    assert flask_db(app, "downgrade", "0010-1").exit_code == 0
    with app.app_context(), migration_engine().begin() as connection:
        notes = Table("notes", MetaData(), autoload_with=connection)
        rows = connection.execute(select(notes.c.id, notes.c.body)).all()
        assert dict(tuple(row) for row in rows) == {
            numbers[0]: "<p>old <i>HTML</i></p>",
            numbers[1]: "<p><strong>ä</strong></p>",
        }
        count = connection.scalar(select(User.stored_bytes))
        assert count == before - len("**ä**".encode())
    assert flask_db(app, "upgrade").exit_code == 0
    with app.app_context():
        assert db.session.get_one(Note, numbers[1], execution_options=OF_ALL).body == "**ä**"
