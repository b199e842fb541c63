"""SQL injection: what reaches the database, and how statements may be written."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import create_engine, func, select
from sqlalchemy.pool import NullPool

# <% if cookiecutter.auth == "oidc" %>
from app.auth import sessions
# <% else %>
from app.auth import links
# <% endif %>
from app.auth.models import Session as SignIn
from app.auth.models import User
from app.database import db
from app.security import queries
from tests import sources
from tests.browser import SIGNED_UP, Browser, account
from tests.marks import asvs, slow
from tests.sample.models import Sample
from tests.security.attacks import SQL_INJECTION, sample, some
from tests.security.entry_points import Attacker, entry_points
from tests.statements import listening

PROJECT = Path(__file__).parents[2]
# In front of every attack, so that it is found again in whatever reaches the database.
MARK = "zq7"
OTHERS = 25  # of so many attacks, one goes through an entry point that stores nothing


@pytest.fixture
def executed(app: Flask) -> Iterator[list[tuple[str, str]]]:
    """Every statement with its parameters, as the driver gets them."""
    found: list[tuple[str, str]] = []

    def record(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        found.append((statement, repr(parameters)))

    with listening(app, before_cursor_execute=record):
        yield found


@asvs("1.2.4")
@slow
def test_no_attack_reaches_a_statement(
    app: Flask, attacker: Attacker, browser: Browser, executed: list[tuple[str, str]]
) -> None:
    """Attacks through every field, path, query argument and header of every route.

    A value is bound or it is not, whatever it says: so the whole corpus goes through those that
    look something up or write it, and a part of it, always another one, through all others.
    """
    assert len(SQL_INJECTION) >= 40
    reached = set()
    found = entry_points(app, attacker.browser, browser)
    bound = [entry for entry in found if entry.reaches_database]
    attacks = sample(SQL_INJECTION)
    step = min(OTHERS, len(attacks))
    for number, entry in enumerate([*bound, *some([it for it in found if it not in bound])]):
        for attack in attacks if entry in bound else attacks[number % step :: step]:
            del executed[:]
            is_address = entry.reaches_database and entry.name == "email"
            response = attacker.send(entry, MARK + (address(attack) if is_address else attack))
            assert response.status_code < 500
            assert response.status_code != 429
            assert [statement for statement, _ in executed if MARK in statement] == []
            if any(MARK in parameters for _, parameters in executed):
                reached.add(entry)
    # It proves something only where input does get as far as the database.
    assert reached >= {*bound}
    assert len(bound) >= 3
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(User)) > 0


def address(attack: str) -> str:
    """As much of an attack as an e-mail address can hold."""
    return re.sub(r"[^a-z0-9!#$%&'*+/=?^_`{|}~-]", "", attack.lower())[:50] + "@example.com"


def test_the_listener_sees_an_injection(app: Flask, executed: list[tuple[str, str]]) -> None:
    with app.app_context(), db.engine.connect() as connection:
        connection.exec_driver_sql(f"SELECT '{MARK}'")
    assert [s for s, _ in executed if MARK in s]


@asvs("1.2.4")
def test_attacks_are_kept_as_text(alice: Browser, app: Flask) -> None:
    attacks = sample(SQL_INJECTION[:50])
    for attack in attacks:
        alice.write(attack, "A body")
    with app.app_context():
        stored = set(db.session.scalars(select(Sample.title)))
    assert stored == {attack.strip() for attack in attacks}


def test_wildcards_of_like_are_text() -> None:
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        for text, found in (("100%", True), ("1000", False), ("1_0", False)):
            like = select(func.length("x")).where(
                func.concat("at 100% of it").contains(text, autoescape=True)
            )
            assert bool(connection.scalar(like)) is found
    engine.dispose()


@asvs("2.3.3", "16.5.3")
def test_a_failure_in_the_middle_leaves_no_rows(
    app: Flask, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        assert db.session.scalar(select(func.count()).select_from(User)) == 1
        raise RuntimeError("after the account was written, before the commit")

    with monkeypatch.context() as patch:
        # <% if cookiecutter.auth == "oidc" %>
        patch.setattr(sessions, "start", fail)
        # <% else %>
        patch.setattr(links, "use", fail)
        # <% endif %>
        assert browser.register("carol@example.com").status_code == 500
    with app.app_context():
        for model in (User, SignIn):
            assert db.session.scalar(select(func.count()).select_from(model)) == 0
    # And nothing stays locked.
    assert browser.register("carol@example.com").status_code == SIGNED_UP


@asvs("16.2.5")
def test_values_are_hidden_from_exceptions(app: Flask) -> None:
    with app.app_context():
        known = account("a@example.com")
        db.session.add(User(**known, password_hash="canary-1"))
        db.session.commit()
        db.session.add(User(**known, password_hash="canary-2"))
        with pytest.raises(Exception, match="hide_parameters") as refused:
            db.session.commit()
        db.session.rollback()
    assert "canary" not in str(refused.value)
    assert "a@example.com" not in str(refused.value)


def test_check_looks_at_the_running_engine(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(queries.check(app)) == []
    with app.app_context():
        engine = db.engine
    monkeypatch.setattr(engine, "hide_parameters", False)
    monkeypatch.setattr(engine, "echo", True)
    monkeypatch.setattr(engine.pool, "_timeout", 30)
    problems = "\n".join(queries.check(app))
    for word in ("hide_parameters", "echo", "pool_timeout"):
        assert word in problems
    monkeypatch.undo()
    monkeypatch.setattr(engine, "pool", NullPool(lambda: None))  # no bound at all
    assert "pool_timeout" in next(queries.check(app))


# --- How statements may be written -------------------------------------------------------------

# These take SQL as text: one constant, nothing that was put together.
RAW = {"text", "literal_column", "exec_driver_sql", "executescript", "from_statement", "TextClause"}
# These take expressions, but some of them accept text as well.
STATEMENTS = {"execute", "executemany", "scalar", "scalars", "stream", "order_by", "group_by"}
STATEMENTS |= {"having", "where", "filter", "select", "with_hint", "prefix_with", "suffix_with"}
# Text that is put together.
BUILDERS = {"format", "join", "replace", "format_map", "substitute", "safe_substitute", "encode"}


def built_sql(source: str) -> list[int]:
    """The lines on which SQL is put together from strings."""
    nodes = sources.walked(sources.parsed(source))
    raw = RAW | {
        alias.asname or alias.name
        for node in nodes
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.name in RAW
    }
    built = {
        target.id
        for node in nodes
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign)
        and node.value is not None
        and (is_built(node.value, set()) or isinstance(node, ast.AugAssign))
        for target in getattr(node, "targets", [getattr(node, "target", None)])
        if isinstance(target, ast.Name)
    }
    found = []
    for node in nodes:
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
        not_constant = [it for it in arguments[:1] if not isinstance(it, ast.Constant)]
        put_together = [it for it in arguments if is_built(it, built)]
        if (name in raw and not_constant) or (name in STATEMENTS and put_together):
            found.append(node.lineno)
    return found


def is_built(node: ast.expr, built: set[str]) -> bool:
    """Whether an expression is text put together, or a name that the request can choose."""
    if isinstance(node, ast.JoinedStr):
        return any(isinstance(value, ast.FormattedValue) for value in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mod):
        sides = (node.left, node.right)
        return any(is_built(side, built) or is_text(side) for side in sides)
    if isinstance(node, ast.Call):
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        inner = [node.func.value] if isinstance(node.func, ast.Attribute) else []
        text = bool(inner) and (is_text(inner[0]) or is_built(inner[0], built))
        return name == "getattr" or (name in BUILDERS and text)
    return isinstance(node, ast.Name) and node.id in built


def is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def files() -> list[Path]:
    found = sorted([*(PROJECT / "app").rglob("*.py"), *(PROJECT / "migrations").rglob("*.py")])
    assert len(found) > 20
    return found


@asvs("1.2.4")
def test_no_sql_is_built_from_strings() -> None:
    found = {str(path): built_sql(path.read_text(encoding="utf-8")) for path in files()}
    assert {path: lines for path, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "sample",
    [
        'session.execute(text(f"SELECT * FROM samples WHERE id = {id}"))',
        'session.execute(text("SELECT * FROM samples WHERE id = " + id))',
        'session.execute(text("SELECT * FROM samples WHERE id = %s" % id))',
        'session.execute(text("SELECT * FROM samples WHERE id = {}".format(id)))',
        'session.execute(text("".join(parts)))',
        "session.execute(text(statement))",
        "session.execute(text(text=statement))",
        "session.execute(sqlalchemy.text(statement))",
        "from sqlalchemy import text as sql\nsession.execute(sql(statement))",
        "connection.exec_driver_sql(statement)",
        'connection.exec_driver_sql(f"PRAGMA user_version = {version}")',
        'cursor.execute(f"SELECT {name}")',
        'cursor.execute("SELECT " + name)',
        'cursor.execute("SELECT %s" % name)',
        'statement = f"SELECT {name}"\ncursor.execute(statement)',
        'statement = "SELECT 1"\nstatement += " WHERE " + rest\ncursor.execute(statement)',
        'op.execute(f"DROP TABLE {name}")',
        'op.execute("DROP TABLE {}".format(name))',
        'op.execute("DROP TABLE x".replace("x", name))',
        'select(Sample).order_by(f"{name} desc")',
        'select(Sample).order_by(getattr(Sample, request.args["sort"]))',
        'select(Sample).order_by(text(request.args["sort"]))',
        'select(literal_column(request.args["column"]))',
        'select(Sample).where(text("title = \'" + title + "\'"))',
        'select(Sample).from_statement(text("SELECT 1" + rest))',
    ],
)
def test_the_static_test_finds_sql_built_from_strings(sample: str) -> None:
    assert built_sql(sample)


@pytest.mark.parametrize(
    "sample",
    [
        'connection.execute(text("SELECT 1"))',
        'connection.execute(text("SELECT :id"), {"id": id})',
        'cursor.execute("PRAGMA foreign_keys = ON")',
        'cursor.execute("SELECT ?", (f"{a}{b}",)[0:0])',
        "select(Sample).where(Sample.title.contains(words, autoescape=True)).order_by(Sample.id.desc())",
        "select(Sample).where(Sample.id == first + 1).limit(PAGE + 1)",
        "select(Sample).order_by(ORDERS[order])",
        'print(f"{a}", "a" + b)',
    ],
)
def test_the_static_test_accepts_safe_queries(sample: str) -> None:
    assert built_sql(sample) == []
