"""One request overtakes another: a tool for the tests of races."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any

from flask import Flask
from sqlalchemy import delete

from app.database import Base, db, now
from tests.races import TIMEOUT


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
