"""Safe methods: views that write in a GET request, by every way to write."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import delete, event, insert, select, text, update

from app.auth.models import Decoy, User
from app.database import db
from app.security import safe_methods
from app.security.access import public
from app.security.safe_methods import only_reads
from tests import sources
from tests.browser import Browser
from tests.marks import asvs, slow
from tests.routes import SAFE, fingerprint, routes

# Each writes and commits, or rather: would.
WRITING: dict[str, Callable[[], object]] = {
    "new row": lambda: db.session.add(Decoy(id=1)),
    "changed row": lambda: setattr(
        db.session.scalars(select(User)).one(), "password_hash", "changed"
    ),
    "deleted row": lambda: db.session.delete(db.session.scalars(select(User)).one()),
    "update": lambda: db.session.execute(update(User).values(password_hash="changed")),
    "delete": lambda: db.session.execute(delete(User)),
    "insert": lambda: db.session.execute(insert(Decoy), [{"id": 1}]),
    "table": lambda: db.session.execute(update(User.__table__).values(password_hash="changed")),
    "text": lambda: db.session.execute(text("DELETE FROM users")),
    "text with a comment": lambda: db.session.execute(text("/* SELECT */ DELETE FROM users")),
    "text with WITH": lambda: db.session.execute(text("WITH x AS (SELECT 1) DELETE FROM users")),
}


@pytest.fixture
def writing(app: Flask, own_app: None) -> Callable[[Callable[[], object]], None]:
    """Adds the route /writing, whose view writes in any method."""

    def add(write: Callable[[], object]) -> None:
        def view() -> str:
            write()
            db.session.commit()
            return "written"

        app._got_first_request = False
        app.add_url_rule("/writing", "writing", public(view), methods=["GET", "OPTIONS", "POST"])

    return add


@asvs("3.5.3")
@pytest.mark.parametrize("write", WRITING.values(), ids=WRITING)
@slow
def test_a_safe_method_cannot_write(
    app: Flask,
    alice: Browser,
    writing: Callable[[Callable[[], object]], None],
    write: Callable[[], object],
) -> None:
    writing(write)
    before = fingerprint(app)
    for method in ("GET", "HEAD", "OPTIONS"):
        assert alice.open(method, "/writing").status_code == 500, method
        assert fingerprint(app) == before, method


def test_the_engine_does_not_write_either(
    app: Flask, alice: Browser, writing: Callable[[Callable[[], object]], None]
) -> None:
    def write() -> None:
        with db.engine.begin() as connection:
            connection.execute(insert(Decoy).values(id=1))

    writing(write)
    before = fingerprint(app)
    assert alice.get("/writing").status_code == 500
    assert fingerprint(app) == before


def test_a_view_may_say_why_it_writes(
    app: Flask, alice: Browser, writing: Callable[[Callable[[], object]], None]
) -> None:
    writing(WRITING["new row"])
    view = app.view_functions["writing"]
    app.view_functions["writing"] = safe_methods.writes("a test")(view)
    assert alice.get("/writing").status_code == 200


@asvs("3.5.3")
def test_only_these_views_write_in_a_get_request(app: Flask) -> None:
    found = {r.endpoint for r in routes(app) if r.method in SAFE}
    found = {it for it in found if getattr(app.view_functions[it], "writes", "")}
    # <% if cookiecutter.auth == "oidc" %>
    assert found == {"auth.callback"}
    # <% else %>
    assert found == set(), "a view that writes in a GET request: make it a POST, or list it here"
    # <% endif %>


@asvs("3.5.3")
def test_only_these_modules_let_a_statement_write_in_a_get_request() -> None:
    found = {path.as_posix() for path in Path("app").rglob("*.py")}
    found = {path for path in found if "writes" in sources.names(Path(path))}
    assert found == {
        # <% if cookiecutter.auth == "oidc" %>
        "app/auth/views.py",
        # <% endif %>
        "app/auth/best_effort.py",
        "app/security/safe_methods.py",
    }, "a GET request that writes: make it a POST, or list its file here and say why in the code"


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM users",
        " insert into users values (1)",
        "WITH gone AS (DELETE FROM users RETURNING id) SELECT * FROM gone",
        "SELECT 1; UPDATE users SET id = 1",
        "SELECT * INTO copy FROM users",
        "SELECT id FROM users INTO OUTFILE '/tmp/x'",
        "REPLACE INTO users VALUES (1)",
        "MERGE INTO users USING x ON true WHEN MATCHED THEN DELETE",
        "TRUNCATE users",
        "CALL procedure()",
        "PRAGMA user_version = 1",
        "DROP TABLE users",
        "EXPLAIN ANALYZE DELETE FROM users",
    ],
)
def test_writing_statements_are_detected(sql: str) -> None:
    assert not only_reads(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT updated_at, deleted FROM users WHERE id = 1",
        "SELECT id FROM users FOR UPDATE SKIP LOCKED",
        "SELECT id FROM users FOR NO KEY UPDATE",
        "WITH x AS (SELECT 1) SELECT * FROM x",
        "SELECT replace(title, 'a', 'b') FROM samples",
        'PRAGMA main.table_info("alembic_version")',
    ],
)
def test_reading_statements_are_allowed(sql: str) -> None:
    assert only_reads(sql)


def test_the_check_notices_what_is_not_wired(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(safe_methods.check(app)) == []
    monkeypatch.setattr(event, "contains", lambda *_: False)
    assert any("GET requests may write" in problem for problem in safe_methods.check(app))
