"""The settings of metrics; :mod:`app.settings` reads them with all others."""

from __future__ import annotations

import re
from dataclasses import dataclass

from app.environment import NAME, PORT, SettingsReader

METRICS_ADDRESS = re.compile(rf"([0-9.]+|\[[0-9a-f:]+\]):{PORT}")
CERTIFICATE_ADDRESS = re.compile(rf"({NAME}|\[[0-9a-f:]+\]):{PORT}")


@dataclass(frozen=True)
class MetricsSettings:
    """Where Prometheus asks, and what the metrics ask.

    :param port: the port of the listener that answers ``/metrics``; None means no metrics.
    :param certificate_address: where Nginx shows the certificate of which the metrics give the end,
        as ``HOST:PORT``; empty means they do not.
    """

    port: int | None
    certificate_address: str

    @classmethod
    def read(cls, read: SettingsReader) -> MetricsSettings:
        """Read the settings; ``read`` keeps what is malformed as a problem."""
        address = read.matching(
            "METRICS_ADDRESS", METRICS_ADDRESS, "ADDRESS:PORT, such as 127.0.0.1:9464"
        )
        certificate_address = read.matching(
            "CERTIFICATE_ADDRESS", CERTIFICATE_ADDRESS, "HOST:PORT, such as 127.0.0.1:443"
        )
        port = int(address.rpartition(":")[2]) if address else None
        return cls(port, certificate_address)
