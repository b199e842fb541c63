"""The metrics that are read when Prometheus asks: versions, certificate, outbox, newest backup."""

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

from app.database import backups, heads, now
from app.mail import outbox_status
from app.metrics.certificate import Certificate

CODE = Path(__file__).parents[1]
log = logging.getLogger(__name__)


class Metrics(Collector):
    """Metrics that no request counts."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        settings = app.config["SETTINGS"]
        name = settings.trusted_hosts[-1]  # DOMAIN_NAME, in production the only one
        address = settings.metrics.certificate_address
        self.certificate = Certificate(address, name) if address else None

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics. Those whose source does not answer are left out."""
        yield InfoMetricFamily("app", "Versions of this service", versions())
        if self.certificate and (left := self.certificate.seconds()) is not None:
            text = "Seconds until the certificate of Nginx ends"
            yield GaugeMetricFamily("app_certificate_seconds", text, left)
        try:
            with self.app.app_context():
                count, oldest = outbox_status.waiting()
                backup = backups.newest()
        except SQLAlchemyError:
            log.warning("metrics: the database cannot be read", exc_info=True)
            yield GaugeMetricFamily("app_outbox_readable", "Whether the outbox can be read", 0)
            return
        age = (now() - oldest).total_seconds() if oldest else 0
        yield GaugeMetricFamily("app_outbox_readable", "Whether the outbox can be read", 1)
        yield GaugeMetricFamily("app_outbox_mails", "Mails that wait", count)
        yield GaugeMetricFamily("app_outbox_oldest_seconds", "Age of the oldest of them", age)
        if backup:
            age = (now() - backup).total_seconds()
            yield GaugeMetricFamily("app_backup_seconds", "Age of the newest backup", age)


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
