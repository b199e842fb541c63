"""Requests at the same moment: tools for the tests of races."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest.mock import patch

from flask import Flask
from sqlalchemy import func, select

from app.auth.models import Session, User
from app.database import db
from app.security import passwords

PATIENCE = 60  # seconds; far more than any answer may take, so that a hang is seen as one
ALICE = "alice@example.com"


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Make the calls in as many threads, all at the same moment; what each returned.

    As many may hash a password at once: none is refused before it comes to what it races for.
    """
    start = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        start.wait(PATIENCE)
        return call()

    slots = patch.object(passwords, "slots", threading.BoundedSemaphore(len(calls)))
    with slots, ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(run, calls, timeout=PATIENCE))


def count(app: Flask, model: type[User] | type[Session]) -> int:
    """How many rows there are."""
    with app.app_context():
        return db.session.scalars(select(func.count()).select_from(model)).one()


class Overtaking:
    """One request reaches a point and waits there, while another runs from start to end."""

    def __init__(self) -> None:
        self.here = threading.local()
        self.reached, self.ended = threading.Event(), threading.Event()

    def first(self, call: Callable[[], Any]) -> Callable[[], Any]:
        """The request that is overtaken."""

        def begin() -> Any:
            self.here.first = True
            return call()

        return begin

    def pausing(self, function: Callable[..., Any], seconds: int = PATIENCE) -> Callable[..., Any]:
        """``function``, after which the first request waits until the other has ended.

        :param seconds: after which it goes on all the same.
        """

        def paused(*args: Any, **kwargs: Any) -> Any:
            result = function(*args, **kwargs)
            if hasattr(self.here, "first"):
                self.reached.set()
                self.ended.wait(seconds)
            return result

        return paused

    def second(self, call: Callable[[], Any], *, waits: bool) -> Callable[[], Any]:
        """The request that overtakes: it begins when the first has come to its point."""

        def overtake() -> Any:
            if waits:
                assert self.reached.wait(PATIENCE)
            result = call()
            self.ended.set()
            return result

        return overtake
