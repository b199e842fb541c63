"""Pages and sign-ins stay as fast as they are when there are many accounts, rows and sessions.

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

import click
import pytest
from flask import Flask, Response, has_request_context, request, request_finished
from sqlalchemy import Select, String, cast, insert, literal, select

from app.auth import expiry
from app.auth.models import Decoy, Session, User
from app.database import Base, UTCDateTime, db, migration_engine, now
from app.mail.models import Mail
from app.secret import Secret
from app.security.rate_limits import limiter
from tests import plans
from tests.actions import ABSOLUTE_TIMEOUT
from tests.browser import CREATE_ACCOUNT, CREATE_OPTIONS, Browser, account
from tests.conftest import has_redis
from tests.database import migrate
from tests.marks import asvs, practice, slow
from tests.resources import RESOURCES, WRITABLE, Resource
from tests.routes import routes
from tests.scenarios import use_everything
from tests.statements import listening

ROWS = 4000  # in each table
OWN = 400  # rows of the one whose requests are looked at
EXPIRED = 3 * expiry.CLEAN_UP  # the first sign-ins find more than they clean up, the last none
MOST = 250  # rows that a statement may look at
TIMES = 4  # that a statement is looked at, at most
NUMBER = cast(10**9 + User.id, String)  # ten characters; a public id has 22
SMALL = {Decoy.__tablename__}  # at most 256 rows, which a database rightly reads whole

ALICE = "alice@example.com"


@pytest.fixture
def large(
    make_app: Callable[..., Flask], own_database: dict[str, str], environment: dict[str, str]
) -> Flask:
    """The service with full tables. Alice has an account, and many of the rows."""
    app = make_app(**own_database)
    migrate({**environment, **own_database})
    if has_redis(environment):
        limiter.storage.reset()
    Browser(app).sign_up(ALICE)
    with app.app_context():
        fill()
        plans.analyze(migration_engine())
    return app


def fill() -> None:
    """Write thousands of rows into each table. The database derives what users own."""
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
    alice = db.session.scalars(select(User.id).where(User.email == Secret(ALICE))).one()
    others = select(User.id).where(User.id != alice).order_by(User.id)

    for resource in WRITABLE:
        fill_with(resource, alice, others)
    values: dict[str, Any] = dict.fromkeys(("public_id", "token_hash"), NUMBER)
    values["user_id"] = User.id
    values |= dict.fromkeys(("address", "device", "proof"), literal(""))
    if "provider_sid" in Session.__table__.c:
        values["provider_sid"] = NUMBER
    old, last = now() - 2 * ABSOLUTE_TIMEOUT, alice + EXPIRED
    for moment, part in ((old, User.id <= last), (now(), User.id > last)):
        times = dict.fromkeys(("created_at", "last_seen_at"), literal(moment, UTCDateTime))
        copy(Session.__table__, values | times, others.where(part))
    if (links := Base.metadata.tables.get("links")) is not None:
        values = {"purpose": "confirm", "email": Secret(""), "mails": 1}
        values |= {"expires_at": old, "mailed_at": old}
        hashes = (dict.fromkeys(("name_hash", "token_hash"), f"{n:064}") for n in range(ROWS))
        db.session.execute(insert(links), [values | it for it in hashes])
    if (devices := Base.metadata.tables.get("devices")) is not None:
        forgotten = literal(now() - timedelta(days=500), UTCDateTime)
        for seen, part in ((forgotten, User.id <= last), (User.created_at, User.id > last)):
            values = {"user_id": User.id, "token_hash": NUMBER, "seen_at": seen}
            copy(devices, values, others.where(part))
    if (tickets := Base.metadata.tables.get("tickets")) is not None:
        for moment, part in ((old, User.id <= last), (now(), User.id > last)):
            ends = literal(moment + timedelta(minutes=5), UTCDateTime)
            values = {"purpose": literal("passkey"), "token_hash": NUMBER, "tries": literal(0)}
            copy(tickets, values | {"user_id": User.id, "expires_at": ends}, others.where(part))
        values = {"user_id": User.id, "secret": literal(""), "last_step": literal(0)}
        apps, codes = (Base.metadata.tables[it] for it in ("authenticator_apps", "recovery_codes"))
        copy(apps, values | {"created_at": User.created_at, "enabled_at": User.created_at}, others)
        copy(codes, {"user_id": User.id, "code_hash": NUMBER}, others)
        values = dict.fromkeys(("public_id", "credential_hash"), NUMBER) | {"user_id": User.id}
        values |= dict.fromkeys(("credential_id", "public_key", "name"), literal("x"))
        values |= {"sign_count": literal(0), "created_at": User.created_at}
        copy(Base.metadata.tables["passkeys"], values, others)
    # <% if cookiecutter.auth == "token" %>
    personal = Base.metadata.tables["personal_tokens"]
    for moment, part in ((old, User.id <= last), (now(), User.id > last)):
        values = dict.fromkeys(("public_id", "token_hash"), NUMBER) | {"user_id": User.id}
        values |= dict.fromkeys(("name", "scopes"), literal("read"))
        values |= {"created_at": User.created_at}
        ends = literal(moment - timedelta(days=20), UTCDateTime)
        copy(personal, values | {"expires_at": ends}, others.where(part))
    # <% endif %>
    mails = (
        {"recipient": Secret(f"user{n}@example.com"), "state": "sent" if n % 100 else "waiting"}
        for n in range(ROWS)
    )
    texts = {"kind": "disabled", "content": "", "message_id": "<1@example.com>", "error": ""}
    db.session.execute(insert(Mail), [texts | it | {"attempts": 0} for it in mails])
    if (used := Base.metadata.tables.get("used_once")) is not None:
        rows = [
            {"id": f"{n:064}", "expires_at": old if n <= EXPIRED else now() + timedelta(minutes=10)}
            for n in range(ROWS)
        ]
        db.session.execute(insert(used), rows)
        rows = [{"id": it["id"], "ended_at": it["expires_at"]} for it in rows]
        db.session.execute(insert(Base.metadata.tables["provider_logouts"]), rows)
    db.session.commit()


def fill_with(resource: Resource, alice: int, others: Select[Any]) -> None:
    """Write thousands of rows like the one that the entry of the resource makes."""
    table = resource.model.__table__
    made = resource.row(db.session.get_one(User, alice))
    db.session.add(made)
    db.session.flush()
    row = db.session.execute(select(table).where(table.c.id == made.id)).mappings().one()
    values: dict[str, Any] = {
        column.key: literal(row[column.name], column.type)
        for column in table.c
        if column.name != "id" and row[column.name] is not None
    }
    values |= {it.name: User.created_at for it in table.c if isinstance(it.type, UTCDateTime)}
    # Alice's lie between those of others: who goes through them all passes many that are not hers.
    theirs, hers = (User.id, (ROWS - OWN) // 2), (literal(alice), OWN)
    for key, (owner, count) in zip("abc", (theirs, hers, theirs), strict=True):
        own = dict.fromkeys(resource.plain, literal(key) + NUMBER)
        own |= {it.name: literal(key * 12) + NUMBER for it in table.c if it.unique}
        own |= {resource.owner: owner}
        copy(table, values | own, others.limit(count))


def copy(table: Any, values: dict[str, Any], people: Select[Any]) -> None:
    """Write a row for each of these accounts."""
    rows = people.with_only_columns(*values.values())
    db.session.execute(insert(table).from_select(list(values), rows))


@dataclass
class Explained:
    """A statement: its worst plan, and how many rows that looked at."""

    times: int = 0
    steps: list[str] = field(default_factory=list)
    looked_at: int = -1
    exports: bool = False  # all rows of one user, on purpose; by an index all the same


def is_whole(steps: list[str]) -> bool:
    """Whether a plan goes through a whole table, however soon it found what it looked for."""
    return any(step.startswith(plans.WHOLE) for step in steps)


@pytest.fixture
def explained(large: Flask) -> Iterator[dict[str, Explained]]:
    """Each statement about these tables, explained when it is sent."""
    found: dict[str, Explained] = defaultdict(Explained)

    def explain(connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if not (has_request_context() or click.get_current_context(silent=True)):
            return  # the tests look up what to ask for
        reads = statement.startswith(("SELECT", "UPDATE", "DELETE", "WITH"))
        tables = {*Base.metadata.tables, *map(str, RESOURCES)} - SMALL
        if not reads or not any(table in statement for table in tables):
            return
        known = found[statement]
        known.times += 1
        known.exports = has_request_context() and str(request.endpoint).endswith(".export_data")
        if known.times <= TIMES:
            with closing(connection.connection.cursor()) as cursor:
                steps, looked_at = plans.explain(cursor, statement, parameters)
            if (is_whole(steps), looked_at) > (is_whole(known.steps), known.looked_at):
                known.steps, known.looked_at = steps, looked_at

    with listening(large, before_cursor_execute=explain):
        yield found


@pytest.fixture
def answered(large: Flask) -> Iterator[set[tuple[str, str]]]:
    """The endpoints that were asked with success, and how."""
    found: set[tuple[str, str]] = set()

    def record(_: Flask, response: Response) -> None:
        if response.status_code < 400:
            found.add((str(request.endpoint), request.method))

    with request_finished.connected_to(record, large):
        yield found


@slow
@practice("queries")
@asvs("15.2.2")
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
        ("users", CREATE_ACCOUNT, "dora@example.com", *CREATE_OPTIONS),
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
        if (it.looked_at > MOST and not it.exports) or is_whole(it.steps)
    ]
    assert not dear, "\n".join(dear)
