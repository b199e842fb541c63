"""``flask <table> rerender``: after a change of the rules, what is stored keeps to them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from app.auth.models import User
from app.commands import rerendering
from app.commands.rerendering import OF_ALL, rerender
from app.database import db, now
from app.security import sanitization
from tests import sample
from tests.actions import DONE, edit, ready_to_edit
from tests.browser import WRITTEN, Browser
from tests.marks import asvs, practice
from tests.sample.models import Sample

pytestmark = practice("sanitization")

OLD = "<p>old <b>HTML</b></p>"


@pytest.fixture
def samples(app: Flask) -> Flask:
    """The service, whose users write samples."""
    if "samples" not in app.blueprints:
        sample.init_app(app)
    sample.create_table(app)
    return app


def stored(app: Flask) -> list[dict[str, Any]]:
    """All rows, in the order of their numbers."""
    table = Sample.__table__
    with app.app_context():
        found = db.session.execute(select(table).order_by(table.c.id), execution_options=OF_ALL)
        return [dict(zip(table.c.keys(), row, strict=True)) for row in found]


def change(app: Flask, row: dict[str, Any], **values: Any) -> None:
    """Change a row as it is stored, whatever the rules are."""
    table = Sample.__table__
    this = update(table).where(table.c.id == row["id"])
    with app.app_context():
        db.session.execute(this.values(**values), execution_options=OF_ALL)
        db.session.commit()


def counts(app: Flask) -> list[bool]:
    """Whether each account counts the bytes that are there."""
    found = []
    with app.app_context():
        for user in db.session.scalars(select(User)):
            rows = [row for row in stored(app) if row["owner_id"] == user.id]
            texts = [row[it] or "" for row in rows for it in ("title", "body_source", "body_html")]
            found.append(user.stored_bytes == len("".join(texts).encode()))
    return found


def run(app: Flask, *arguments: str) -> Any:
    return app.test_cli_runner().invoke(args=["samples", "rerender", *arguments])


def stricter(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on, nothing is emphasized."""
    monkeypatch.setattr(sanitization, "TAGS", sanitization.TAGS - {"em"})


@asvs("1.3.1")
def test_stored_text_is_cleaned_by_stricter_rules(
    samples: Flask, alice: Browser, bob: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    for user in (alice, bob):
        user.write("T", "*One*")
        user.write("T", "Two")
    before = stored(samples)
    assert run(samples).stdout == "Changed: 0.\n"
    assert stored(samples) == before
    stricter(monkeypatch)
    monkeypatch.setattr(rerendering, "BATCH", 3)
    result = run(samples)
    assert (result.exit_code, result.stdout) == (0, "Changed: 2.\n"), result.output
    after = stored(samples)
    assert [row["body_html"] for row in after] == ["<p>One</p>", "<p>Two</p>"] * 2
    for old, new in zip(before, after, strict=True):
        changed = old["body_html"] != new["body_html"]
        assert new["version"] == old["version"] + changed
        assert (new["body_source"], new["updated_at"]) == (old["body_source"], old["updated_at"])
    assert counts(samples) == [True, True]
    assert run(samples).stdout == "Changed: 0.\n"


def test_html_of_an_older_version_gets_a_source(samples: Flask, alice: Browser) -> None:
    path = alice.write("T", "x")
    (row,) = stored(samples)
    moment = now() - timedelta(days=1)
    change(samples, row, body_source=None, body_html=OLD, updated_at=moment)
    with samples.app_context():
        db.session.execute(update(User).values(stored_bytes=1 + len(OLD)))
        db.session.commit()
    assert "old" in alice.get(path).text
    assert run(samples).exit_code == 0
    (row,) = stored(samples)
    assert row["body_source"] == "old **HTML**"
    assert row["body_html"] == "<p>old <strong>HTML</strong></p>"
    assert row["updated_at"] == moment
    assert counts(samples) == [True]


@asvs("15.4.2")
def test_an_edit_meanwhile_is_not_overwritten(
    samples: Flask, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new text comes between the reading of a row and its change."""
    path = alice.write("T", "*One*")
    stricter(monkeypatch)
    cleaned, done = rerendering._cleaned, []

    def overtaken(row: Sample) -> dict[str, Any]:
        values = cleaned(row)
        if not done:
            done.append(edit(alice, path, "*Two* and more").status_code)
        return values

    monkeypatch.setattr(rerendering, "_cleaned", overtaken)
    with samples.app_context():
        assert [changed for _, changed in rerender(Sample)] == [False]
    (row,) = stored(samples)
    assert (row["body_source"], row["version"]) == ("*Two* and more", 2)
    assert row["body_html"] == "<p>Two and more</p>"
    assert counts(samples) == [True]


@asvs("15.4.2")
def test_an_edit_that_began_before_overwrites_nothing(
    samples: Flask, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The size that it has read is not the size that it replaces."""
    path = alice.write("T", "*One*")
    send = ready_to_edit(alice, path, "Two")
    stricter(monkeypatch)
    assert run(samples).exit_code == 0
    assert send().status_code == 409
    assert edit(alice, path, "Two").status_code == DONE
    assert counts(samples) == [True]


def test_rerendering_continues_where_it_was_stopped(
    samples: Flask, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(4):
        alice.write("T", "*One*")
    stricter(monkeypatch)
    with samples.app_context():
        steps = rerender(Sample)
        first, _ = next(steps)
        steps.close()
    assert ["em" in row["body_html"] for row in stored(samples)] == [False, True, True, True]
    assert run(samples, "--after", str(stored(samples)[1]["id"])).stdout == "Changed: 2.\n"
    assert run(samples, "--after", str(first)).stdout == "Changed: 1.\n"
    assert counts(samples) == [True]


def test_a_full_account_does_not_keep_the_old_html(
    samples: Flask, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice.write("T", "*One*")
    (row,) = stored(samples)
    change(samples, row, body_html="")
    with samples.app_context():
        db.session.execute(update(User).values(stored_bytes=2**40))
        db.session.commit()
    assert run(samples).stdout == "Changed: 1.\n"
    assert stored(samples)[0]["body_html"] == "<p><em>One</em></p>"
    with samples.app_context():
        grown = len("<p><em>One</em></p>")
        assert db.session.scalar(select(func.max(User.stored_bytes))) == 2**40 + grown


def test_refused_rows_are_reported_and_rerendering_continues(
    samples: Flask, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A source that is too long keeps its HTML, if that is clean; otherwise somebody has to look."""
    for text in ("*One*", "*Two* 2", "*Three*"):
        assert alice.try_to_write("T", text).status_code == WRITTEN
    refused = stored(samples)[0]
    monkeypatch.setattr("app.security.rich_text.MAX_RICH_TEXT", 5)
    stricter(monkeypatch)
    assert run(samples).stdout == "Changed: 3.\n"
    sources = [(row["body_source"], row["body_html"]) for row in stored(samples)]
    assert sources[1] == ("*Two* 2", "<p>Two 2</p>")
    monkeypatch.setattr(sanitization, "MAX_HTML", 10)
    result = run(samples)
    assert result.exit_code == 1
    assert f"Row {refused['id'] + 1}: the rules refuse it" in result.stderr
    assert [(row["body_source"], row["body_html"]) for row in stored(samples)] == sources
