"""One request overtakes another: a tool for the tests of races."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Any

from flask import Flask
from sqlalchemy import delete, select

from app.auth.models import Session
from app.database import Base, db, now
from app.security.scope import unscoped
from tests.races import TIMEOUT, at_once

OTHER = "of-somebody-else-12345"  # in place of the random values of a session


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

    def pausing(self, function: Callable[..., Any], seconds: int = TIMEOUT) -> Callable[..., Any]:
        """``function``, after which the first request waits until the other has ended.

        :param seconds: after which it continues in any case.
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
                assert self.reached.wait(TIMEOUT)
            result = call()
            self.ended.set()
            return result

        return overtake


def delete_first(app: Flask, model: type[Base]) -> Callable[[], datetime]:
    """``now`` of a module: just when it asks for the time, another request deletes all rows."""

    def delete_all() -> datetime:
        with app.app_context():
            other = {"unscoped": "another request ends it", "writes": "another request ends it"}
            db.session.execute(delete(model), execution_options=other)
            db.session.commit()
        return now()

    return delete_all


def and_then(act: Callable[[], Any], function: Callable[..., Any]) -> Callable[..., Any]:
    """``function``, after which another request does ``act``, from start to end; once."""
    left = [act]

    @wraps(function)
    def both(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        while left:
            at_once(left.pop())
        return result

    return both


class TakenId:
    """A session ends, and that of another user gets its id: SQLite does it by itself."""

    def __init__(self, app: Flask, ended: Session, owner: int) -> None:
        self.app, self.id, self.owner = app, ended.id, owner

    def __call__(self) -> None:
        """Let it happen."""
        options = {"unscoped": "another request ends it"}
        with self.app.app_context():
            gone = delete(Session).where(Session.id == self.id)
            db.session.execute(gone, execution_options=options)
            values = {"public_id": OTHER, "token_hash": OTHER, "address": "", "device": ""}
            other = Session(id=self.id, user_id=self.owner, **values)
            db.session.add(unscoped(other, "another user signs in"))
            db.session.commit()

    def is_untouched(self) -> bool:
        """Whether the other session is still as it began."""
        with self.app.app_context():
            begun = select(Session).where(
                Session.id == self.id,
                Session.user_id == self.owner,
                Session.public_id == OTHER,
                Session.token_hash == OTHER,
                Session.proof == "",
                Session.failures == 0,
            )
            return db.session.scalar(begun, execution_options={"unscoped": "a test"}) is not None
