"""The end of the certificate that Nginx shows. Only Nginx has its files, so this asks by TLS."""

from __future__ import annotations

import logging
import socket
import ssl
import time
from datetime import UTC, datetime

from cryptography.x509 import load_der_x509_certificate

FRESH = 60  # seconds for which an answer is kept: Prometheus asks more often
TIMEOUT = 2  # seconds; a thread of the service waits
log = logging.getLogger(__name__)


class Certificate:
    """The certificate that a server shows to clients that ask for ``name``.

    :param address: of the server, ``HOST:PORT``.
    """

    def __init__(self, address: str, name: str) -> None:
        host, _, port = address.rpartition(":")
        self.server = (host.strip("[]"), int(port))
        self.name = name
        self.asked_at = float("-inf")
        self.ends_at: datetime | None = None

    def seconds(self) -> float | None:
        """Seconds until it ends, below 0 afterwards; None while the server shows none."""
        if time.monotonic() - self.asked_at > FRESH:
            self.asked_at = time.monotonic()
            try:
                self.ends_at = self._ask()
            except (OSError, ValueError):
                self.ends_at = None
                log.warning("metrics: the certificate cannot be read", exc_info=True)
        return (self.ends_at - datetime.now(UTC)).total_seconds() if self.ends_at else None

    def _ask(self) -> datetime:
        context = ssl.create_default_context()
        # Nothing is sent, and only the date is read: one that is not valid has a date as well.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with (
            socket.create_connection(self.server, TIMEOUT) as connection,
            context.wrap_socket(connection, server_hostname=self.name) as tls,
        ):
            shown = tls.getpeercert(binary_form=True) or b""
        return load_der_x509_certificate(shown).not_valid_after_utc
