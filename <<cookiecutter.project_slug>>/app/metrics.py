"""Metrics for Prometheus, on a listener of their own (``METRICS_ADDRESS``), never through Nginx.

Off by default. ``docs/monitoring.md`` describes each number. No client chooses a label: routes and
events are named by the code, methods and statuses are among a few. gunicorn passes on which of its
listeners a request came to: there nothing but ``/metrics`` is answered, and nowhere else is it.
"""

from __future__ import annotations

import logging
import platform
import time
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from flask import Flask, request
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
    values,
)
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import event
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.wsgi import ClosingIterator

from app.database import db, heads, now
from app.mail import upkeep
from app.security.logs import EVENTS

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# Seconds. Pages take a few milliseconds, a sign-in a quarter of a second (the hash of a password).
BUCKETS = (0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 10)
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
ROUTE = "app.route"  # where a request keeps its route: never its path, which the client chooses
log = logging.getLogger(__name__)
slot = 0  # of this worker, see deploy/gunicorn.conf.py; 0: the master, or no worker of gunicorn


class Numbers(Collector):
    """What is found out when Prometheus asks: the versions, and the outbox by one query."""

    def __init__(self, app: Flask) -> None:
        self.app = app

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics. Without the database, those that need it are left out."""
        names = {"python": platform.python_version(), "flask": version("flask")}
        names["schema"] = " ".join(sorted(heads()))
        yield InfoMetricFamily("app", "Versions of this service", names)
        try:
            with self.app.app_context():
                count, oldest = upkeep.waiting()
        except SQLAlchemyError:
            log.warning("metrics: the outbox cannot be read", exc_info=True)
            yield GaugeMetricFamily("app_outbox_readable", "Whether the outbox can be read", 0)
            return
        age = (now() - oldest).total_seconds() if oldest else 0
        yield GaugeMetricFamily("app_outbox_readable", "Whether the outbox can be read", 1)
        yield GaugeMetricFamily("app_outbox_mails", "Mails that wait", count)
        yield GaugeMetricFamily("app_outbox_oldest_seconds", "Age of the oldest of them", age)


def init_app(app: Flask) -> None:
    """Count requests and events, and answer ``/metrics``. Call it last: it is the outermost."""
    port = app.config["SETTINGS"].metrics_port
    if not port:
        return
    if values.ValueClass is not values.MutexValue:  # gunicorn.conf.py has chosen several processes
        values.ValueClass = values.MultiProcessValue(lambda: slot)  # type: ignore[no-untyped-call]
    # A registry that nobody asks: over several processes, the numbers are read from their files.
    unread = CollectorRegistry()
    app.url_value_preprocessor(remember_route)
    within = answering(counted(app.wsgi_app, unread), port, Numbers(app))
    app.wsgi_app = within  # type: ignore[assignment, method-assign]
    connections = Gauge("app_database_connections", "Connections of the pool that are in use",
                        registry=unread, multiprocess_mode="livesum")  # fmt: skip
    with app.app_context():
        event.listen(db.engine, "checkout", lambda *_: connections.inc())
        event.listen(db.engine, "checkin", lambda *_: connections.dec())


def remember_route(endpoint: str | None, arguments: dict[str, Any] | None) -> None:
    """Keep the template of the route, such as ``/<public_id>/edit``."""
    if request.url_rule:
        request.environ[ROUTE] = request.url_rule.rule


def counted(wsgi_app: WSGIApplication, registry: CollectorRegistry) -> WSGIApplication:
    """WSGI middleware: counts each request, its time, and its security events."""
    requests = Counter("app_requests", "Answered requests", ["route", "method", "status"],
                       registry=registry)  # fmt: skip
    seconds = Histogram("app_request_seconds", "Time until an answer was sent", ["route"],
                        registry=registry, buckets=BUCKETS)  # fmt: skip
    events = Counter("app_security_events", "Security events", ["event"], registry=registry)
    # Looking a child up takes longer than counting. There are few: see the docstring above.
    request_of, seconds_of = cache(requests.labels), cache(seconds.labels)
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
            request_of(route, method, f"{statuses[0][0]}xx").inc()
            seconds_of(route).observe(time.perf_counter() - started)
            for kind in environ.get(EVENTS, ()):
                event_of(kind).inc()

        return ClosingIterator(wsgi_app(environ, start), count)

    return counting


def answering(wsgi_app: WSGIApplication, port: int, numbers: Numbers) -> WSGIApplication:
    """WSGI middleware: answers ``/metrics``, and only that, to who has connected to ``port``."""

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        # The accepted connection: its own address is no header, so that no client can choose it.
        connection = environ.get("gunicorn.socket")
        address = connection.getsockname() if connection else ""
        if not isinstance(address, tuple) or address[1] != port:  # text: a Unix socket
            return wsgi_app(environ, start_response)
        if (environ["REQUEST_METHOD"], environ["PATH_INFO"]) != ("GET", "/metrics"):
            start_response("404 Not Found", [("Content-Length", "0")])
            return []
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        registry.register(numbers)
        body = generate_latest(registry)
        headers = [("Content-Type", CONTENT_TYPE_LATEST), ("Content-Length", str(len(body)))]
        start_response("200 OK", headers)
        return [body]

    return answer
