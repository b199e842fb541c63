"""Rows that the database refuses: the request fails, and never goes on without its lock."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import text, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from app.auth.models import Decoy
from app.database import db
from app.database.rows import TRIES, lock_or_add

NOTHING = update(Decoy).where(Decoy.id == 99).values(failures=Decoy.failures)


@pytest.mark.parametrize("tries", [1, TRIES])
def test_a_row_that_is_refused_each_time_is_an_error(app: Flask, tries: int) -> None:
    made = []

    def new() -> Decoy:
        made.append(1)
        return Decoy(id=1)

    with app.app_context():
        db.session.add(Decoy(id=1))
        db.session.commit()
        with pytest.raises(IntegrityError):
            lock_or_add(NOTHING, new, tries=tries)
    assert len(made) == tries


def test_another_error_is_not_repeated(app: Flask) -> None:
    made = []

    def new() -> Decoy:
        made.append(1)
        db.session.execute(text("SELECT nothing FROM nowhere"))
        return Decoy(id=1)

    with app.app_context(), pytest.raises(DBAPIError, match="nowhere"):
        lock_or_add(NOTHING, new)
    assert len(made) == 1
