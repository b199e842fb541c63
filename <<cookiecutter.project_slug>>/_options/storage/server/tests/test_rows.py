"""Rows that several requests add at once: the database ends one of two that wait for each other."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
from flask import Flask
from sqlalchemy import func, select, update
from sqlalchemy.exc import DBAPIError, OperationalError

from app.auth.models import Decoy
from app.database import db
from app.database.rows import TRIES, change, lock_or_add
from tests.races import at_once, meeting


def touch(number: int) -> int:
    """Lock the row until the commit."""
    return change(update(Decoy).where(Decoy.id == number).values(failures=Decoy.failures))


@pytest.fixture
def adding(app: Flask) -> Callable[..., str]:
    """Add row ``number``; its maker locks row ``first``, waits for the other, then ``second``."""
    with app.app_context():
        db.session.add_all([Decoy(id=1), Decoy(id=2)])
        db.session.commit()
    touch_and_meet = meeting(2, touch)

    def add(number: int, first: int, second: int, tries: int = TRIES) -> str:
        def new() -> Decoy:
            touch_and_meet(first)
            touch(second)
            return Decoy(id=number)

        lock = update(Decoy).where(Decoy.id == number).values(failures=Decoy.failures)
        with app.app_context():
            try:
                lock_or_add(lock, new, tries=tries)
            except DBAPIError as refused:
                db.session.rollback()
                return type(refused).__name__
            db.session.commit()
            return "stored"

    return add


def stored(app: Flask) -> int | None:
    with app.app_context():
        return db.session.scalar(select(func.count()).where(Decoy.id > 2))


def test_the_loser_of_a_deadlock_is_repeated(app: Flask, adding: Callable[..., str]) -> None:
    assert at_once(partial(adding, 3, 1, 2), partial(adding, 4, 2, 1)) == ["stored"] * 2
    assert stored(app) == 2


def test_the_loser_of_a_deadlock_raises_after_an_earlier_write(
    app: Flask, adding: Callable[..., str]
) -> None:
    """To begin anew would lose it, and the answer would be that it is stored."""
    done = at_once(partial(adding, 3, 1, 2, tries=1), partial(adding, 4, 2, 1, tries=1))
    assert sorted(done) == [OperationalError.__name__, "stored"]
    assert stored(app) == 1
