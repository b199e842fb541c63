"""Safe methods: a link or an image on another site changes data, because a GET request writes.

The protection against CSRF lets GET, HEAD and OPTIONS pass, as they change nothing (RFC 9110
section 9.2.1). This module enforces it: in such a request, a statement that writes is an
error, from the ORM or as text. Code that must write all the same gives a reason: a statement by
``writes="<reason>"`` in its execution options, a view by :func:`writes`. ASVS 3.5.3.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from flask import Flask, current_app, has_request_context, request

from app.database import is_watched, watch
from app.security.access import View

SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
# What only reads, by its first word. Words that write may follow: in a WITH, after a semicolon.
READS = re.compile(r"\s*(SELECT|WITH|DESCRIBE|PRAGMA \w+\.table_x?info)\b", re.IGNORECASE)
WRITES = re.compile(
    r"(?<!FOR )(?<!NO KEY )\bUPDATE\b|\b(DELETE|INSERT|INTO|MERGE|REPLACE|TRUNCATE|CALL)\b(?! *\()",
    re.IGNORECASE,
)


class UnsafeMethodError(RuntimeError):
    """A request that may not change anything writes: a mistake of ours, so 500."""


def writes(reason: str) -> Callable[[View], View]:
    """Let this view write in a GET request. Write it below the route decorator."""

    def mark(view: View) -> View:
        view.writes = reason  # type: ignore[attr-defined]
        return view

    return mark


@lru_cache(maxsize=1024)  # the text of a statement is the same each time
def only_reads(sql: str) -> bool:
    """Whether a statement is certain to change no row, but for functions that it calls."""
    return bool(READS.match(sql)) and not WRITES.search(sql)


def check_statement(_: Any, __: Any, sql: str, ___: Any, context: Any, ____: bool) -> None:
    """Refuse a statement that writes in a request with a safe method.

    :raises UnsafeMethodError: before the database gets it.
    """
    if not has_request_context() or request.method not in SAFE or only_reads(sql):
        return
    view = current_app.view_functions.get(request.endpoint or "")
    if not context.execution_options.get("writes") and not getattr(view, "writes", ""):
        raise UnsafeMethodError(f"{request.method} {request.endpoint} writes; see {__name__}")


def init_app(app: Flask) -> None:
    """Look at every statement of every engine."""
    watch(app, check_statement)


def check(app: Flask) -> Iterator[str]:
    """Yield a problem when statements are not looked at."""
    if not is_watched(app, check_statement):
        yield "GET requests may write; call safe_methods.init_app(app)"
