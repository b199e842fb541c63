"""What an account may keep: a number of rows and of bytes, exact also for writes at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError

from app import quotas, resources
from app.auth.models import User
from app.database import db
from app.quotas import MAX_BYTES, MAX_ROWS, QuotaError
from app.secret import Secret
from tests.actions import DONE, assert_refused, edit, remove, text_of
from tests.browser import WRITTEN, Browser
from tests.marks import asvs, practice, slow
from tests.races import ALICE, at_once
from tests.resources import WRITABLE, Resource, rows
from tests.sample.models import Sample
from tests.security.writing import Writer

pytestmark = practice("quotas")

FULL = "Your account is full"
REFUSED = 403


def keeps(app: Flask, rows: int, size: int) -> None:
    """Everybody keeps that much already."""
    with app.app_context():
        db.session.execute(update(User).values(stored_rows=rows, stored_bytes=size))
        db.session.commit()


def counted(app: Flask) -> tuple[int, int]:
    with app.app_context():
        counts = select(User.stored_rows, User.stored_bytes).where(User.email == Secret(ALICE))
        row = db.session.execute(counts).one()
        return row.stored_rows, row.stored_bytes


def stored(app: Flask) -> tuple[int, int]:
    """What is really there."""
    with app.app_context():
        found = db.session.scalars(select(Sample)).all()
        texts = "".join(f"{row.title}{row.body}{row.body_html}" for row in found)
        return len(found), len(texts.encode())


@asvs("2.3.2", "2.4.1")
def test_the_last_row_fits_and_no_other(
    app: Flask, alice: Browser, log: Callable[[], list[dict[str, Any]]]
) -> None:
    keeps(app, MAX_ROWS - 2, 0)
    path, _ = alice.write(), alice.write()
    log()
    refused = alice.try_to_write("T", "One too many")
    assert refused.status_code == REFUSED
    assert_refused(refused, FULL, "One too many")
    events = [line["event"] for line in log() if line["logger"] == "app.security"]
    assert events == ["excess_quota_exceeded"]
    assert stored(app)[0] == 2
    assert edit(alice, path, "What is there can be changed").status_code == DONE
    assert remove(alice, path).status_code < 400
    assert alice.try_to_write("T", "There is room again").status_code == WRITTEN
    assert alice.try_to_write("T", "B").status_code == REFUSED


@asvs("2.3.2", "2.4.1")
def test_bytes_are_counted_and_an_edit_counts_the_difference(app: Flask, alice: Browser) -> None:
    keeps(app, 0, MAX_BYTES - 1000)
    path = alice.write("T", "a" * 296)  # 600 bytes: a title, the source, and as much in <p></p>
    assert alice.try_to_write("T", "b" * 296).status_code == REFUSED
    assert stored(app)[0] == 1
    assert edit(alice, path, "c" * 496).status_code == DONE
    longer = "ä" * 249  # 1004 bytes in 506 letters
    refused = edit(alice, path, longer)
    assert refused.status_code == REFUSED
    assert_refused(refused, FULL, longer)
    assert text_of(alice, path) == "c" * 496
    assert edit(alice, path, "d").status_code == DONE
    assert counted(app) == (1, MAX_BYTES - 1000 + 10)
    assert remove(alice, path).status_code < 400
    assert counted(app) == (0, MAX_BYTES - 1000)


def test_users_above_the_quota_can_shorten_and_delete(app: Flask, alice: Browser) -> None:
    """A limit that was lowered, or rows from before there was one."""
    path, other = alice.write("T", "x" * 500), alice.write()
    keeps(app, MAX_ROWS + 5, MAX_BYTES + 5000)
    assert edit(alice, path, "x").status_code == DONE
    assert remove(alice, other).status_code < 400
    assert alice.try_to_write("T", "B").status_code == REFUSED


def test_quota_counts_match_the_stored_rows(app: Flask, alice: Browser) -> None:
    texts = "<b>x</b><script>y</script>", "&"
    paths = [alice.write("ÄÖ \U0001f980", text) for text in texts]
    assert counted(app) == stored(app)
    assert edit(alice, paths[0], "a <i>b</i> & 'c'\r\nd").status_code == DONE
    assert counted(app) == stored(app)
    assert remove(alice, paths[1]).status_code < 400
    assert counted(app) == stored(app)
    assert counted(app)[0] == 1


@asvs("2.3.2", "2.4.1")
@pytest.mark.parametrize("resource", WRITABLE, ids=str)
@slow
def test_all_that_users_write_is_counted(app: Flask, alice: Browser, resource: Resource) -> None:
    """Where a feature forgets to charge, everybody has the whole disk."""

    def assert_counted() -> None:
        found = rows(app, resource, alice.email)
        names = [*resource.texts(), *(f"{name}_html" for name in resource.rich)]
        size = sum(len(row[name].encode()) for row in found for name in names)
        assert counted(app)[0] == len(found)
        assert counted(app)[1] >= size
        assert found or counted(app) == (0, 0)

    writer = Writer(app, alice, resource)
    for other in writer.others or [None]:
        assert writer.write(writer.create, writer.fields(writer.create)).status_code == WRITTEN
        assert_counted()
        for route in writer.edits:
            assert writer.write(route, writer.edited(route, "Some longer text")).status_code < 400
            assert_counted()
        if other is not None:  # a deletion gives the room back
            assert writer.write(other, writer.edited(other, "Again")).status_code < 400
            assert_counted()
    keeps(app, MAX_ROWS, MAX_BYTES)
    assert writer.write(writer.create, writer.fields(writer.create)).status_code == REFUSED


def test_counts_never_become_negative(app: Flask, alice: Browser) -> None:
    """An old instance during an update stores rows that it does not count."""
    path = alice.write()
    keeps(app, 0, 1)
    assert remove(alice, path).status_code < 400
    assert counted(app) == (0, 0)


def test_one_account_is_not_limited_by_another(app: Flask, alice: Browser) -> None:
    keeps(app, MAX_ROWS, MAX_BYTES)
    bob = Browser(app, "203.0.113.2").sign_up("bob@example.com")
    bob.write()
    assert alice.try_to_write("T", "B").status_code == REFUSED


@asvs("2.3.2", "2.3.4", "15.4.2")
@pytest.mark.parametrize(("room", "size"), [(3, 10**6), (100, 3 * 22)], ids=["rows", "bytes"])
def test_simultaneous_writes_do_not_exceed_the_quota(
    app: Flask, alice: Browser, room: int, size: int
) -> None:
    keeps(app, MAX_ROWS - room, MAX_BYTES - size)
    with app.app_context():
        owner = db.session.scalars(select(User.id)).one()

    def write() -> str:
        with app.app_context():
            try:
                user = db.session.get_one(User, owner)
                resources.create(Sample, user, title="T", body="7 bytes")
            except QuotaError:
                return "full"
            except OperationalError:  # SQLite: another one writes for longer than it waits
                return "busy"
            return "stored"

    for _ in range(3):
        answers = at_once(*[write] * 8)
        assert "busy" not in answers
        assert answers.count("stored") in (3, 0)
    assert stored(app) == (3, 3 * 22)
    assert counted(app) == (MAX_ROWS - room + 3, MAX_BYTES - size + 66)


def test_a_feature_charges_for_many_rows_at_once(app: Flask, alice: Browser) -> None:
    with app.app_context():
        owner = db.session.scalars(select(User.id)).one()
        quotas.charge(owner, rows=MAX_ROWS, size=MAX_BYTES)
        for more in ({"rows": 1}, {"size": 1}):
            with pytest.raises(QuotaError, match="5,000 entries and 10 MB"):
                quotas.charge(owner, **more)
        quotas.charge(owner, rows=-2, size=-10)
        quotas.charge(owner, rows=2, size=10)
        db.session.rollback()
    assert counted(app) == (0, 0)
