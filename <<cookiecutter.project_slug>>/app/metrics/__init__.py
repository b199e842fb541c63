"""Metrics for Prometheus, on a listener of their own (``METRICS_ADDRESS``), never through Nginx.

Off by default. ``docs/monitoring.md`` describes each metric. No client chooses a label: routes and
events are named by the code, methods and statuses are among a few. Each worker of gunicorn counts
in files of its own slot, see ``deploy/gunicorn.conf.py``.
"""

from __future__ import annotations

from flask import Flask
from prometheus_client import CollectorRegistry, Counter, Gauge, values
from sqlalchemy import event

from app.database import db
from app.metrics.collector import Metrics
from app.metrics.counting import counted
from app.metrics.listener import answering
from app.security import hash_slots

slot = 0  # of this worker, from 1; 0: the master, or no worker of gunicorn


def init_app(app: Flask) -> None:
    """Count requests and events, and answer ``/metrics``. Call it last: it is the outermost."""
    port = app.config["SETTINGS"].metrics.port
    if not port:
        return
    if values.ValueClass is not values.MutexValue:  # gunicorn.conf.py has chosen several processes
        values.ValueClass = values.MultiProcessValue(lambda: slot)  # type: ignore[no-untyped-call]
    # A registry that nobody asks: over several processes, the metrics are read from their files.
    unread = CollectorRegistry()
    within = answering(counted(app.wsgi_app, unread), port, Metrics(app))
    app.wsgi_app = within  # type: ignore[assignment, method-assign]
    watch_connections(app, unread)
    watch_passwords(unread)


def watch_connections(app: Flask, registry: CollectorRegistry) -> None:
    """Count the connections that the pool has handed out."""
    in_use = Gauge("app_database_connections", "Connections of the pool that are in use",
                   registry=registry, multiprocess_mode="livesum")  # fmt: skip
    with app.app_context():
        event.listen(db.engine, "checkout", lambda *_: in_use.inc())
        event.listen(db.engine, "checkin", lambda *_: in_use.dec())


def watch_passwords(registry: CollectorRegistry) -> None:
    """Count the passwords that are hashed now, and those refused: a flood of sign-ins."""
    in_flight = Gauge("app_password_hashes", "Passwords that are hashed at this moment",
                      registry=registry, multiprocess_mode="livesum")  # fmt: skip
    refused = Counter("app_password_hashes_refused", "Passwords refused, all slots being taken",
                      registry=registry)  # fmt: skip

    def watch(change: int) -> None:
        if change:
            in_flight.inc(change)
        else:
            refused.inc()

    hash_slots.watch = watch
