"""What is found out when Prometheus asks: the versions, and the outbox by one query."""

from __future__ import annotations

import hashlib
import logging
import platform
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path

from flask import Flask
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from app.database import heads, now
from app.mail import upkeep

CODE = Path(__file__).parents[1]
log = logging.getLogger(__name__)


class Numbers(Collector):
    """Metrics that no request counts."""

    def __init__(self, app: Flask) -> None:
        self.app = app

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics. Without the database, those that need it are left out."""
        yield InfoMetricFamily("app", "Versions of this service", versions())
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


@cache
def versions() -> dict[str, str]:
    """Versions as labels; ``code`` differs when a file of the app does: do all instances match?"""
    code = hashlib.sha256()
    for path in sorted(CODE.rglob("*.py")):
        code.update(path.relative_to(CODE).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return {
        "code": code.hexdigest()[:12],
        "python": platform.python_version(),
        "flask": version("flask"),
        "schema": " ".join(sorted(heads())),
    }
