"""Counts each request when its answer was sent: by route, method and class of the status."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Counter, Histogram

from app.security.logs import EVENTS_KEY

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# Seconds. Pages take a few milliseconds, a sign-in a quarter of a second (the hash of a password).
BUCKETS = (0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 10)
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


class Answer:
    """An answer that calls ``count`` when the server closes it: it was sent."""

    __slots__ = ("body", "count", "environ", "route", "start_response", "status")

    def __init__(
        self,
        environ: WSGIEnvironment,
        start_response: StartResponse,
        count: Callable[[str, str], None],
    ) -> None:
        self.body: Iterable[bytes] = ()
        self.count = count
        self.environ = environ
        self.route = "none"
        self.start_response = start_response
        self.status = "500"

    def start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        """``start_response`` of the application."""
        self.status = status
        # Never the path, which the client chooses: the template, such as /<public_id>/edit.
        # Werkzeug keeps the request there while it is handled.
        if rule := getattr(self.environ.get("werkzeug.request"), "url_rule", None):
            self.route = rule.rule
        return self.start_response(status, headers, exc_info)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.body)

    def close(self) -> None:
        """Close the body, as a server does with each answer, and count it even if that fails."""
        try:
            if close := getattr(self.body, "close", None):
                close()
        finally:
            self.count(self.status, self.route)


def counted(wsgi_app: WSGIApplication, registry: CollectorRegistry) -> WSGIApplication:
    """WSGI middleware: counts each request, its time, and its security events."""
    answers = Counter("app_requests", "Answered requests", ["route", "method", "status"],
                      registry=registry)  # fmt: skip
    seconds = Histogram("app_request_seconds", "Time until an answer was sent", ["route"],
                        registry=registry, buckets=BUCKETS)  # fmt: skip
    events = Counter("app_security_events", "Security events", ["event"], registry=registry)
    event_of = cache(events.labels)

    # Looking a child up takes longer than counting. There are few: no client chooses a label.
    @cache
    def counters(route: str, method: str, status: str) -> tuple[Any, Any]:
        return answers.labels(route, method, f"{status}xx").inc, seconds.labels(route).observe

    def counting(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        started = time.perf_counter()

        def count(status: str, route: str) -> None:
            method = environ["REQUEST_METHOD"]
            method = method if method in METHODS else "other"
            add, observe = counters(route, method, status[0])
            add()
            observe(time.perf_counter() - started)
            for kind in environ.get(EVENTS_KEY, ()):
                event_of(kind).inc()

        answer = Answer(environ, start_response, count)
        answer.body = wsgi_app(environ, answer.start)
        return answer

    return counting
