"""Run in a service's folder with its Python: fill the database, print data for requests as JSON.

``python filling.py NOTES``: one account has a tenth of the notes; the others are spread in random
order over a hundredth as many accounts. It prints access tokens of that account and of others, and
ids of notes from all parts of that account's list.
"""

from __future__ import annotations

import json
import os
import random
import sys
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from app import create_app
from app.auth import sessions, tokens
from app.auth.models import User
from app.database import db, migration_engine
from app.notes.models import Note
from sqlalchemy import select

from tests import plans

BODY = "<p>Some words about a day on which little happened, and what could be done on the next.</p>"
CHUNK = 20_000  # rows of a transaction
# Switches off work that protects only against a crash during the filling, or against wrong rows.
HASTE = {
    "sqlite": ("PRAGMA synchronous = OFF", "PRAGMA cache_size = -500000"),
    "postgresql": ("SET synchronous_commit = off",),
    "mysql": ("SET SESSION unique_checks = 0", "SET SESSION foreign_key_checks = 0"),
}
WRITERS = 40  # accounts: each may write 60 notes a minute
IDS = 200
Rows = Iterable[tuple[Any, ...]]


def load(table: str, columns: tuple[str, ...], rows: Rows) -> None:
    """Insert rows as fast as the database takes them."""
    names = f"{table} ({', '.join(columns)})"
    engine, remaining = migration_engine(), iter(rows)
    place = ", ".join(["?" if engine.dialect.name == "sqlite" else "%s"] * len(columns))
    connection = engine.raw_connection()
    try:
        cursor = connection.cursor()
        for statement in HASTE[engine.dialect.name]:
            cursor.execute(statement)
        connection.commit()
        while chunk := list(islice(remaining, CHUNK)):
            if engine.dialect.name == "postgresql":
                with cursor.copy(f"COPY {names} FROM STDIN") as copy:
                    for row in chunk:
                        copy.write_row(row)
            else:
                cursor.executemany(f"INSERT INTO {names} VALUES ({place})", chunk)  # noqa: S608
            connection.commit()
    finally:
        connection.invalidate()  # discards the settings above


def settle() -> None:
    """Run the database's maintenance now, so that it does not run during a measurement."""
    engine = migration_engine()
    plans.analyze(engine)
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql("VACUUM")
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")


def fill(notes: int) -> None:
    """Insert accounts, a session for each, and notes; the first one has a tenth of the notes."""
    start = datetime.now(UTC).replace(tzinfo=None, microsecond=0) - timedelta(days=30)
    stored = str if db.engine.dialect.name == "sqlite" else lambda moment: moment
    first, now = stored(start), stored(start + timedelta(days=30))
    people = range(WRITERS + notes // 100)
    load("users", ("email", "created_at"), ((f"u{n}@example.com", first) for n in people))
    ids = list(db.session.scalars(select(User.id).order_by(User.id)))
    db.session.rollback()  # the database ends a transaction that stays open so long
    columns = "public_id token_hash user_id created_at last_seen_at address device".split()
    signed_in = ((new_id(), new_id(), user, now, now, "", "") for user in ids)
    load("sessions", tuple(columns), signed_in)

    def written() -> Iterator[tuple[Any, ...]]:
        for number in range(notes):
            owner = ids[0] if number % 10 == 0 else random.choice(ids[1:])  # noqa: S311
            moment = stored(start + timedelta(days=29) * (number / notes))
            yield new_id(), owner, f"Note {number}", BODY, 1, moment, moment

    columns = "public_id owner_id title body version created_at updated_at".split()
    load("notes", tuple(columns), written())


def new_id() -> str:
    return urlsafe_b64encode(os.urandom(16))[:22].decode()


def access_token(user: User) -> str:
    session, token = sessions.start(user, address="", device="")
    found = tokens.pair(session, token).access_token
    db.session.commit()
    return found


def main(notes: int) -> None:
    with create_app().app_context():
        fill(notes)
        settle()
        users = db.session.scalars(select(User).order_by(User.id).limit(WRITERS)).all()
        own = db.session.scalars(select(Note.public_id).where(Note.owner_id == users[0].id)).all()
        made = {
            "token": access_token(users[0]),
            "writers": [access_token(user) for user in users[1:]],
            "ids": random.sample(list(own), min(IDS, len(own) - 25)),
        }
    print(json.dumps(made))


if __name__ == "__main__":
    main(int(sys.argv[1]))
