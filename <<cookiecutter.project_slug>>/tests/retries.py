"""Requests that the database keeps waiting or refuses: each is answered soon, with 503."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from sqlalchemy import select, update
from werkzeug.test import TestResponse

from app.auth.models import User
from app.database import db, now
from app.secret import Secret
from tests.browser import PAGES
from tests.races import TIMEOUT

Log = Callable[[], list[dict[str, Any]]]


def assert_retry(response: TestResponse, log: Log, cause: str = "") -> None:
    """A 503 that says when to try again, for the reason that is expected."""
    assert response.status_code == 503
    assert PAGES or response.content_type == "application/problem+json"
    assert response.headers["Retry-After"] == "5"
    (line,) = (line for line in log() if "exception" in line)
    assert line["event"] == "database unavailable"
    assert re.search(cause, line["exception"]), line["exception"]


def change(email: str, days: int = 1) -> None:
    """Change the row of an account, in the transaction of the request. SQLite writes nothing where
    nothing changes, so each call needs another number of days."""
    # By its key: MySQL locks every row that it looks at.
    key = db.session.scalars(select(User.id).where(User.email == Secret(email))).one()
    older = now() - timedelta(days=days)
    db.session.execute(update(User).where(User.id == key).values(created_at=older))


def within_patience(
    call: Callable[[], TestResponse], finish: Callable[[], object] = bool
) -> TestResponse:
    """The response; ``finish`` ends what a request that hangs is waiting for."""
    with ThreadPoolExecutor(1) as threads:
        try:
            return threads.submit(call).result(TIMEOUT)
        finally:
            finish()
