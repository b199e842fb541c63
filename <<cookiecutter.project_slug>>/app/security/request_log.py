"""The line that the log has of each request, and the id that all its lines share.

Part of :mod:`app.security.logs`, which says how a line is written.
"""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from werkzeug.wsgi import ClosingIterator

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

REQUEST_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
Write = Callable[[dict[str, object]], None]

access_log = logging.getLogger("app.access")


def timestamp(seconds: float) -> str:
    """A time since the epoch, for a log line."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


class RequestLog:
    """WSGI middleware: gives each request an id and writes the access line.

    The line is written at once. A logger would take three times as long to make a record of it,
    whose fields have fixed names; its level is obeyed all the same.
    """

    def __init__(self, wsgi_app: WSGIApplication, write: Write) -> None:
        self.wsgi_app = wsgi_app
        self.write = write

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        started = time.perf_counter()
        sent = environ.get("HTTP_X_REQUEST_ID", "")
        identifier = sent if REQUEST_ID.fullmatch(sent) else secrets.token_hex(16)
        environ["app.request_id"] = identifier
        answer = {"status": 500}

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            answer["status"] = int(status.split(" ", 1)[0])
            headers.append(("X-Request-ID", identifier))
            return start_response(status, headers, exc_info)

        def write_access_line() -> None:
            if not access_log.isEnabledFor(logging.INFO):
                return
            self.write(
                {
                    "time": timestamp(time.time()),
                    "level": "INFO",
                    "logger": access_log.name,
                    "event": "request",
                    "request_id": identifier,
                    "address": environ.get("REMOTE_ADDR"),
                    "method": environ["REQUEST_METHOD"],
                    "path": environ.get("PATH_INFO", ""),  # no query: it may hold a token
                    "status": answer["status"],
                    "milliseconds": round((time.perf_counter() - started) * 1000, 1),
                }
            )

        return ClosingIterator(self.wsgi_app(environ, start), write_access_line)
