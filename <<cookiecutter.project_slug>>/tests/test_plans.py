"""Pages and sign-ins stay as fast as they are when there are many accounts, notes and sessions.

The database says how it carries out each statement that the service sends, on tables of thousands
of rows: by an index, and without a look at rows that it does not need.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask, Response, request, request_finished
from sqlalchemy import Select, String, Text, cast, event, insert, literal, select

from app.auth import sessions, upkeep
from app.auth.models import Decoy, Session, User
from app.database import Base, UTCDateTime, db, migration_engine, now
from app.notes.models import Note
from app.security.rate_limits import limiter
from tests import plans
from tests.browser import CREATE_ACCOUNT, PASSWORD, Browser, account
from tests.conftest import has_redis
from tests.routes import routes
from tests.scenarios import use_everything

ROWS = 4000  # in each table
OWN = 400  # notes of the one whose requests are looked at
EXPIRED = 3 * upkeep.CLEAN_UP  # the first sign-ins find more than they clean up, the last none
MOST = 250  # rows that a statement may look at
TIMES = 4  # that a statement is looked at, at most
SMALL = {Decoy.__tablename__}  # at most 256 rows, which a database rightly reads whole

ALICE = "alice@example.com"


@pytest.fixture
def large(
    make_app: Callable[..., Flask], own_database: dict[str, str], environment: dict[str, str]
) -> Flask:
    """The service with full tables. Alice has an account, and many of the notes."""
    app = make_app(**own_database)
    assert app.test_cli_runner().invoke(args=["db", "upgrade"]).exit_code == 0
    if has_redis(environment):
        limiter.storage.reset()
    Browser(app).sign_up(ALICE)
    with app.app_context():
        fill()
        plans.analyze(migration_engine())
    return app


def fill() -> None:
    """Write thousands of rows into each table. The database derives notes and sessions."""
    known: dict[str, Any] = {"password_hash": None}
    if "is_operator" in User.__table__.c:
        known["is_operator"] = False
    people = [
        known
        | account(f"user{number}@example.com")
        | {"created_at": now() - timedelta(seconds=number)}
        for number in range(ROWS)
    ]
    db.session.execute(insert(User.__table__), people)
    alice = db.session.scalars(select(User.id).where(User.email == ALICE)).one()
    others = select(User.id).where(User.id != alice).order_by(User.id)

    number = cast(10**9 + User.id, String)  # ten characters; a public id has 22
    values: dict[str, Any] = dict.fromkeys(("created_at", "updated_at"), User.created_at)
    values |= {"title": literal("A title"), "body": literal("A body", Text), "version": literal(1)}
    # Alice's lie between those of others: who goes through them all passes many that are not hers.
    theirs, hers = (User.id, (ROWS - OWN) // 2), (literal(alice), OWN)
    for key, (owner, count) in zip("abc", (theirs, hers, theirs), strict=True):
        own = {"owner_id": owner, "public_id": literal(key * 12) + number}
        copy(Note, values | own, others.limit(count))
    values = dict.fromkeys(("public_id", "token_hash"), number) | {"user_id": User.id}
    values |= dict.fromkeys(("address", "device"), literal(""))
    if "provider_sid" in Session.__table__.c:
        values["provider_sid"] = number
    old, last = now() - 2 * sessions.ABSOLUTE_TIMEOUT, alice + EXPIRED
    for moment, part in ((old, User.id <= last), (now(), User.id > last)):
        times = dict.fromkeys(("created_at", "last_seen_at"), literal(moment, UTCDateTime))
        copy(Session, values | times, others.where(part))
    if (used := Base.metadata.tables.get("used_once")) is not None:
        rows = [
            {"id": f"{n:064}", "expires_at": old if n <= EXPIRED else now() + timedelta(minutes=10)}
            for n in range(ROWS)
        ]
        db.session.execute(insert(used), rows)
    db.session.commit()


def copy(model: type[Base], values: dict[str, Any], people: Select[Any]) -> None:
    """Write a row for each of these accounts."""
    rows = people.with_only_columns(*values.values())
    db.session.execute(insert(model.__table__).from_select(list(values), rows))


@dataclass
class Explained:
    """A statement: its worst plan, and how many rows that looked at."""

    times: int = 0
    steps: list[str] = field(default_factory=list)
    looked_at: int = -1


def is_whole(steps: list[str]) -> bool:
    """Whether a plan goes through a whole table, however soon it found what it looked for."""
    return any(step.startswith(plans.WHOLE) for step in steps)


@pytest.fixture
def explained(large: Flask) -> Iterator[dict[str, Explained]]:
    """Each statement about these tables, explained when it is sent."""
    found: dict[str, Explained] = defaultdict(Explained)

    def explain(connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        reads = statement.startswith(("SELECT", "UPDATE", "DELETE", "WITH"))
        tables = Base.metadata.tables.keys() - SMALL
        if not reads or not any(table in statement for table in tables):
            return
        known = found[statement]
        known.times += 1
        if known.times <= TIMES:
            with closing(connection.connection.cursor()) as cursor:
                steps, looked_at = plans.explain(cursor, statement, parameters)
            if (is_whole(steps), looked_at) > (is_whole(known.steps), known.looked_at):
                known.steps, known.looked_at = steps, looked_at

    with large.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", explain)
    yield found
    event.remove(engine, "before_cursor_execute", explain)


@pytest.fixture
def answered(large: Flask) -> Iterator[set[tuple[str, str]]]:
    """The endpoints that were asked with success, and how."""
    found: set[tuple[str, str]] = set()

    def record(_: Flask, response: Response) -> None:
        if response.status_code < 400:
            found.add((str(request.endpoint), request.method))

    with request_finished.connected_to(record, large):
        yield found


def test_no_statement_looks_at_more_rows_than_it_needs(
    large: Flask,
    explained: dict[str, Explained],
    answered: set[tuple[str, str]],
) -> None:
    alice = Browser(large, "203.0.113.1")
    alice.sign_in(ALICE)
    Browser(large).sign_up("carol@example.com")
    Browser(large).sign_in(ALICE, "wrong")
    use_everything(large, alice)
    commands = large.test_cli_runner()
    for command in (
        ("users", "disable", "user7@example.com"),
        ("users", "enable", "user7@example.com"),
        ("users", "unlock", "user7@example.com"),
        ("users", CREATE_ACCOUNT, "dora@example.com", "--password", PASSWORD),
        ("sessions", "revoke", "--user", ALICE),
    ):
        result = commands.invoke(args=command)
        assert result.exit_code == 0, result.output

    offered = {(it.endpoint, it.method) for it in routes(large)}
    left_out = {it for it in offered - answered if it[1] not in ("HEAD", "OPTIONS")}
    assert left_out <= {("static", "GET")}, "tests/scenarios.py does not ask for these"
    assert len(explained) > 10
    dear = [
        f"{it.looked_at} rows: {statement}\n  " + "\n  ".join(it.steps)
        for statement, it in explained.items()
        if it.looked_at > MOST or is_whole(it.steps)
    ]
    assert not dear, "\n".join(dear)
