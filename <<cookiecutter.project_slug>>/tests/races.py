"""Requests at the same moment: tools for the tests of races."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import wraps
from typing import Any
from unittest.mock import patch

from flask import Flask, has_request_context
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from app.auth.models import Session, User
from app.database import db
from app.security import hash_slots
from tests.browser import SIGNED_IN, Browser
from tests.sample.models import Sample
from tests.statements import listening

TIMEOUT = 60  # seconds; far more than any answer may take, so that only a hang exceeds it
ALICE = "alice@example.com"


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Make the calls in as many threads, all at the same moment; what each returned.

    As many may hash a password at once: none is refused before it comes to what it races for.
    """
    start = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        start.wait(TIMEOUT)
        return call()

    slots = patch.object(hash_slots, "slots", threading.BoundedSemaphore(len(calls)))
    with slots, ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(run, calls, timeout=TIMEOUT))


def meeting(parties: int, function: Callable[..., Any]) -> Callable[..., Any]:
    """``function``, after which the first ``parties`` threads that call it wait for each other."""
    barrier, places, here = threading.Barrier(parties), iter(range(parties)), threading.local()

    @wraps(function)
    def meet(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        if not hasattr(here, "met") and next(places, None) is not None:
            here.met = True
            barrier.wait(TIMEOUT)
        return result

    return meet


@contextmanager
def on_reading(app: Flask, table: str, call: Callable[[], object]) -> Iterator[None]:
    """Call this in each request that has sent a query of the table, before it goes on."""
    query = re.compile(rf"SELECT .*\bFROM {table}\b", re.DOTALL)

    def look(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if has_request_context() and query.match(statement):
            call()

    with listening(app, after_cursor_execute=look):
        yield


def statuses(responses: Iterable[TestResponse]) -> list[int]:
    return sorted(response.status_code for response in responses)


def tabs(app: Flask, number: int) -> list[Browser]:
    """Browsers in which alice is signed in, each at an address of its own."""
    opened = [Browser(app, f"192.0.2.{n}") for n in range(number)]
    for tab in opened:
        assert tab.sign_in(ALICE).status_code == SIGNED_IN
    return opened


def sample_of(app: Flask, path: str) -> Sample:
    """The row as it is stored."""
    with app.app_context():
        return db.session.scalars(select(Sample).where(Sample.public_id == path[-22:])).one()


def count(app: Flask, model: type[User] | type[Session]) -> int:
    """How many rows there are."""
    with app.app_context():
        return db.session.scalars(select(func.count()).select_from(model)).one()
