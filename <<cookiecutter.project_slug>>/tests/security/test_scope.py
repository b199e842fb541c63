"""Foreign rows: every way to ask for rows, and none that gets those of another user.

The queries below forget the owner, as a mistake in a view would. They run in a request of Alice, as
they would in a view; Bob has a row of each resource as well.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from flask import Flask, g
from sqlalchemy import (
    CursorResult,
    TextClause,
    column,
    delete,
    exists,
    func,
    insert,
    inspect,
    literal,
    select,
    table,
    text,
    update,
)
from sqlalchemy.orm import aliased

from app.auth.models import User
from app.database import db
from app.secret import Secret
from app.security import ownership, scope
from app.security.rich_text import RichText
from app.security.scope import UnscopedError, unscoped
from tests import sources
from tests.browser import CREATE_ACCOUNT, CREATE_OPTIONS, Browser
from tests.marks import asvs
from tests.resources import RESOURCES, WRITABLE, Resource, add, rows

PROJECT = Path(__file__).parents[2]
REASON = scope.is_unscoped  # without what conftest.py lets tests do
each_resource = pytest.mark.parametrize("resource", RESOURCES, ids=str)


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From its call on, what runs outside of requests needs a reason, as in production."""
    return lambda: monkeypatch.setattr(scope, "is_unscoped", REASON)


@contextmanager
def request_of(app: Flask, user: Browser | None) -> Iterator[None]:
    """A request of this user, as far as a view can see."""
    with app.test_request_context("/", method="POST"):
        email = Secret(user.email) if user else None
        g.user = db.session.scalars(select(User).where(User.email == email)).one_or_none()
        yield
        db.session.rollback()


def owner(model: type[Any]) -> Any:
    return getattr(model, ownership.owners(inspect(model))[0])


def sql(model: type[Any], pattern: str, *, upper: bool = False) -> TextClause:
    name = str(model.__table__)
    return text(pattern % (name.upper() if upper else name))


# Each gives the public ids that it finds. None says whose they are to be.
FINDING: dict[str, Callable[[type[Any]], Any]] = {
    "select": lambda m: select(m.public_id),
    "search": lambda m: select(m.public_id).where(m.public_id.contains("")),
    "alias": lambda m: select(aliased(m).public_id),
    "join": lambda m: select(m.public_id).join(User, User.id == owner(m)),
    "join from users": lambda m: select(m.public_id).select_from(User).join(m, User.id == owner(m)),
    "of two": lambda m: select(m.public_id).where(User.id == owner(m)),
    "subquery": lambda m: select(select(m).subquery().c.public_id),
    "in a subquery": lambda m: select(m.public_id).where(m.id.in_(select(aliased(m).id))),
    "with": lambda m: select(select(m).cte().c.public_id),
    "union": lambda m: select(m.public_id).union(select(m.public_id).where(m.id > 0)),
    "order": lambda m: select(m.public_id).order_by(m.id.desc()).limit(9),
    "lock": lambda m: select(m.public_id).with_for_update(),
}
# Each gives the ids of users whose rows it finds.
USERS: dict[str, Callable[[type[Any]], Any]] = {
    "in": lambda m: select(User.id).where(User.id.in_(select(owner(m)))),
    "exists": lambda m: select(User.id).where(exists().where(owner(m) == User.id)),
    "group": lambda m: select(owner(m)).group_by(owner(m)),
    "maximum": lambda m: select(func.max(owner(m))),
}
COUNTING: dict[str, Callable[[type[Any]], Any]] = {
    "column": lambda m: select(func.count(m.id)),
    "table": lambda m: select(func.count()).select_from(m),
    "condition": lambda m: select(func.count()).where(m.id > 0),
    "subquery": lambda m: select(func.count()).select_from(select(m).subquery()),
}
CHANGING: dict[str, Callable[[type[Any]], Any]] = {
    "update": lambda m: update(m).values(id=m.id),
    "update where": lambda m: update(m).where(m.id > 0).values(id=m.id),
    "delete": lambda m: delete(m),
    "delete in": lambda m: delete(m).where(owner(m).in_(select(User.id))),
}
# What the session cannot limit; it never reaches the database.
REFUSED: dict[str, Callable[[type[Any]], Any]] = {
    "table": lambda m: select(m.__table__),
    "own table": lambda m: select(m.__table__).where(m.__table__.c.id > 0),
    "joined table": lambda m: select(User.id).join(m.__table__, User.id == owner(m)),
    "table by name": lambda m: select(table(str(m.__table__), column("id"))),
    "text": lambda m: sql(m, "SELECT id FROM %s"),
    "text with capitals": lambda m: sql(m, "SELECT ID FROM %s AS X", upper=True),
    "text of a model": lambda m: select(m).from_statement(sql(m, "SELECT * FROM %s")),
    "quoted": lambda m: sql(m, 'SELECT id FROM "%s"'),
    "second table": lambda m: sql(m, "SELECT users.id FROM users, %s"),
    "delete of a table": lambda m: delete(m.__table__),
    "update of a table": lambda m: update(m.__table__).values(id=m.id),
    "text that deletes": lambda m: sql(m, "DELETE FROM %s"),
    "insert": lambda m: insert(m).values(public_id="x"),
    "insert from": lambda m: insert(m).from_select(["public_id"], select(literal("x"))),
    "given away": lambda m: update(m).values({owner(m): 1}),
}


@asvs("8.2.2")
@each_resource
@pytest.mark.parametrize("query", FINDING.values(), ids=FINDING)
def test_a_query_finds_only_rows_of_the_user(
    app: Flask, alice: Browser, bob: Browser, resource: Resource, query: Callable[[Any], Any]
) -> None:
    for user in (alice, bob):
        add(app, resource, user.email)
    with request_of(app, alice):
        found = set(db.session.scalars(query(resource.model)))
    assert found == {row["public_id"] for row in rows(app, resource, alice.email)}


@asvs("8.2.2")
@each_resource
@pytest.mark.parametrize("query", USERS.values(), ids=USERS)
def test_a_query_does_not_tell_who_has_rows(
    app: Flask, alice: Browser, bob: Browser, resource: Resource, query: Callable[[Any], Any]
) -> None:
    for user in (alice, bob):
        add(app, resource, user.email)
    with request_of(app, alice):
        assert db.session.scalars(query(resource.model)).all() == [g.user.id]


@asvs("8.2.2")
@each_resource
@pytest.mark.parametrize("query", COUNTING.values(), ids=COUNTING)
def test_a_count_counts_only_rows_of_the_user(
    app: Flask, alice: Browser, bob: Browser, resource: Resource, query: Callable[[Any], Any]
) -> None:
    for user in (alice, bob, bob):
        add(app, resource, user.email)
    with request_of(app, alice):
        counted = db.session.scalar(query(resource.model))
    assert counted == len(rows(app, resource, alice.email))


@asvs("8.2.2", "8.3.1")
@each_resource
@pytest.mark.parametrize("change", CHANGING.values(), ids=CHANGING)
def test_a_change_affects_only_rows_of_the_user(
    app: Flask, alice: Browser, bob: Browser, resource: Resource, change: Callable[[Any], Any]
) -> None:
    for user in (alice, bob):
        add(app, resource, user.email)
    with request_of(app, alice):
        options = {"synchronize_session": False}
        found = db.session.execute(change(resource.model), execution_options=options)
        db.session.commit()
    assert cast(CursorResult[Any], found).rowcount > 0
    assert rows(app, resource, bob.email) != []


@asvs("8.2.2", "8.3.1")
@each_resource
@pytest.mark.parametrize("statement", REFUSED.values(), ids=REFUSED)
def test_statements_that_cannot_be_scoped_are_refused(
    app: Flask, alice: Browser, bob: Browser, resource: Resource, statement: Callable[[Any], Any]
) -> None:
    add(app, resource, bob.email)
    before = rows(app, resource, bob.email)
    with request_of(app, alice), pytest.raises(UnscopedError):
        db.session.execute(
            statement(resource.model), execution_options={"synchronize_session": False}
        )
    assert rows(app, resource, bob.email) == before


@asvs("8.2.2")
@each_resource
def test_reading_rows_by_key_is_refused_or_scoped(
    app: Flask, alice: Browser, bob: Browser, resource: Resource
) -> None:
    model = resource.model
    add(app, resource, bob.email)
    add(app, resource, alice.email)
    (foreign, _), (own, public_id) = (
        (int(row["id"]), row["public_id"])
        for row in (rows(app, resource, user.email)[0] for user in (bob, alice))
    )
    with request_of(app, alice):
        assert db.session.get(model, foreign) is None
        version = {k: v for k, v in resource.values.items() if k == "version"}
        change = {**version, "id": foreign, "public_id": "x"}
        with pytest.raises(UnscopedError):
            db.session.execute(update(model), [change])
        row = db.session.get_one(model, own)
        db.session.refresh(row)  # more of a row that is there
        db.session.expire(row)
        assert row.public_id == public_id


@asvs("8.3.1")
@each_resource
def test_a_row_can_be_written_only_for_the_user(
    app: Flask, alice: Browser, bob: Browser, resource: Resource
) -> None:
    for user in (alice, bob):
        add(app, resource, user.email)
    name = ownership.owners(inspect(resource.model))[0]
    everybody = {"unscoped": "a test looks for the row of another user"}
    foreign = select(resource.model).where(owner(resource.model) != 0)
    with request_of(app, alice):
        bobs = db.session.scalars(select(User).where(User.email == Secret(bob.email))).one()
        found = db.session.scalars(foreign, execution_options=everybody).all()
        bobs_row = next(row for row in found if getattr(row, name) == bobs.id)
        alices_row = next(row for row in found if getattr(row, name) == g.user.id)
        for attack in (
            lambda: setattr(alices_row, name, bobs.id),  # given away
            lambda: setattr(bobs_row, name, g.user.id),  # taken
            lambda: setattr(bobs_row, "public_id", "changed"),
            lambda: db.session.delete(bobs_row),
        ):
            attack()
            with pytest.raises(UnscopedError):
                db.session.flush()
            db.session.rollback()
    before = rows(app, resource, bob.email)
    values = {k: v for k, v in before[0].items() if k not in ("id", "public_id", "token_hash")}
    rich = {it: RichText(values[it]) for it in resource.rich}
    made = resource.model(**{it: values[it] for it in resource.fields() if it in values} | rich)
    with request_of(app, alice):
        setattr(made, name, int(values[name]))
        db.session.add(made)
        with pytest.raises(UnscopedError):
            db.session.commit()
    assert rows(app, resource, bob.email) == before


@asvs("8.2.2")
@each_resource
def test_no_rows_are_found_without_a_user_or_request(
    app: Flask, alice: Browser, resource: Resource, strict: Callable[[], None]
) -> None:
    add(app, resource, alice.email)
    strict()
    with request_of(app, None), pytest.raises(UnscopedError):
        db.session.scalars(select(resource.model)).all()
    with app.app_context():
        for statement in (select(resource.model), delete(resource.model)):
            with pytest.raises(UnscopedError):
                db.session.execute(statement)
            with pytest.raises(UnscopedError), db.engine.connect() as connection:
                connection.execute(statement)
        with pytest.raises(UnscopedError):
            db.session.execute(statement, execution_options={"unscoped": ""})
        reason = {"unscoped": "a test counts all rows"}
        count = select(func.count()).select_from(resource.model)
        assert db.session.scalar(count, execution_options=reason) > 0


@asvs("8.2.2")
def test_after_a_flush_queries_are_looked_at_again(app: Flask, alice: Browser) -> None:
    resource = WRITABLE[0]
    with request_of(app, alice):
        g.user.password_hash = "changed"
        db.session.flush()
        with pytest.raises(UnscopedError):
            db.session.execute(select(resource.model.__table__))
        db.session.add(unscoped(resource.row(g.user), "a test"))
        db.session.flush()
        with pytest.raises(UnscopedError):
            db.session.execute(select(resource.model.__table__))


def test_commands_must_give_a_reason_for_unscoped_queries(
    app: Flask, alice: Browser, strict: Callable[[], None]
) -> None:
    """All that concern sessions, as they run in production."""
    strict()
    cli = app.test_cli_runner().invoke
    for command in (
        ["users", "disable", alice.email],
        ["users", "enable", alice.email],
        ["users", "unlock", alice.email],
        ["users", "list"],
        ["users", "show", alice.email],
        # <% if cookiecutter.auth != "oidc" %>
        ["users", "invite", "dave@example.com"],
        ["users", "reset", alice.email, "--disable-password"],
        ["users", "set-address", alice.email, "alice@example.net"],
        ["users", "set-address", "alice@example.net", alice.email],
        # <% endif %>
        ["sessions", "revoke", "--user", alice.email],
        ["sessions", "revoke", "--all"],
        ["users", CREATE_ACCOUNT, "new@example.com", *CREATE_OPTIONS],
        ["users", "delete", alice.email, "--yes"],
    ):
        done = cli(args=command)
        assert done.exit_code == 0, (command, done.output, done.exception)


@asvs("8.2.2")
def test_an_operator_is_no_exception(app: Flask, alice: Browser, bob: Browser) -> None:
    resource = WRITABLE[0]
    add(app, resource, bob.email)
    with request_of(app, alice):
        g.user.is_operator = True  # a column where the provider makes operators
        assert db.session.scalars(select(resource.model)).all() == []


@asvs("8.2.2")
def test_only_sign_in_and_clean_up_use_unscoped_queries() -> None:
    """A feature has no reason. A new place is written here on purpose."""
    found = {
        path.relative_to(PROJECT / "app").as_posix()
        for path in (PROJECT / "app").rglob("*.py")
        if "unscoped" in sources.names(path)
    }
    assert found == {
        "auth/best_effort.py",
        # <% if cookiecutter.auth != "oidc" %>
        "auth/devices.py",
        # <% endif %>
        "auth/expiry.py",
        # <% if cookiecutter.auth != "oidc" %>
        "auth/link_issuance.py",
        "auth/links.py",
        "auth/passkey_ceremonies.py",
        "auth/passkeys.py",
        # <% if cookiecutter.auth == "token" %>
        "auth/personal_tokens.py",
        # <% endif %>
        "auth/recovery_codes.py",
        "auth/tickets.py",
        "auth/totp.py",
        # <% endif %>
        "auth/session_lock.py",
        "auth/sessions.py",
        "commands/reencryption.py",
        "commands/rerendering.py",
        "database/__init__.py",
        "security/scope.py",
    }, "a query for all users: limit it, or list its file here and say why in the code"


# SQL beside the models, whose rows nobody limits: "text(...)" could also hold an OR.
BESIDE = {"__table__", "literal_column", "from_statement", "exec_driver_sql", "text", "table"}


def test_queries_go_through_the_models() -> None:
    allowed = {"app/auth/models.py", "app/database", "app/security/scope.py"}
    for path in (PROJECT / "app").rglob("*.py"):
        place = path.relative_to(PROJECT).as_posix()
        if not any(place.startswith(it) for it in allowed):
            calls = {
                getattr(node.func, "id", getattr(node.func, "attr", ""))
                for node in sources.nodes(path)
                if isinstance(node, ast.Call)
            }
            assert not (BESIDE - {"__table__"}) & calls, f"{place}: query the models instead"
            assert "__table__" not in sources.names(path), f"{place}: query the model instead"


def test_the_check_notices_what_is_not_wired(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(scope.check(app)) == []
    monkeypatch.setattr(scope, "owners", lambda _: ["owner_id", "author_id"])
    assert any("has one owner" in problem for problem in scope.check(app))
    monkeypatch.undo()
    monkeypatch.setattr(scope.event, "contains", lambda *_: False)
    assert any("not limited" in problem for problem in scope.check(app))
