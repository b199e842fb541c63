"""Counts each request when its answer was sent: by route, method and class of the status."""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any

from flask import request
from prometheus_client import CollectorRegistry, Counter, Histogram
from werkzeug.wsgi import ClosingIterator

from app.security.logs import EVENTS

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# Seconds. Pages take a few milliseconds, a sign-in a quarter of a second (the hash of a password).
BUCKETS = (0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 10)
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
ROUTE = "app.route"  # where a request keeps its route: never its path, which the client chooses


def remember_route(endpoint: str | None, arguments: dict[str, Any] | None) -> None:
    """Keep the template of the route, such as ``/<public_id>/edit``."""
    if request.url_rule:
        request.environ[ROUTE] = request.url_rule.rule


def counted(wsgi_app: WSGIApplication, registry: CollectorRegistry) -> WSGIApplication:
    """WSGI middleware: counts each request, its time, and its security events."""
    answers = Counter("app_requests", "Answered requests", ["route", "method", "status"],
                      registry=registry)  # fmt: skip
    seconds = Histogram("app_request_seconds", "Time until an answer was sent", ["route"],
                        registry=registry, buckets=BUCKETS)  # fmt: skip
    events = Counter("app_security_events", "Security events", ["event"], registry=registry)
    # Looking a child up takes longer than counting. There are few: no client chooses a label.
    answer_of, seconds_of = cache(answers.labels), cache(seconds.labels)
    event_of = cache(events.labels)

    def counting(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        started = time.perf_counter()
        statuses = ["500"]

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            statuses[0] = status
            return start_response(status, headers, exc_info)

        def count() -> None:
            route = environ.get(ROUTE, "none")
            method = environ["REQUEST_METHOD"]
            method = method if method in METHODS else "other"
            answer_of(route, method, f"{statuses[0][0]}xx").inc()
            seconds_of(route).observe(time.perf_counter() - started)
            for kind in environ.get(EVENTS, ()):
                event_of(kind).inc()

        return ClosingIterator(wsgi_app(environ, start), count)

    return counting
