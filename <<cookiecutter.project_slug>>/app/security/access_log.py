"""The access log: without a line for each request, an attack leaves no trace. ASVS 16.2.1.

Each request has an id, which all its log lines and its error page share. An id or a trace that the
client sends is taken over only when it is well-formed: nobody writes into the log.
"""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from flask import has_request_context, request
from werkzeug.wsgi import ClosingIterator

from app.security.trace_context import trace_id

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

REQUEST_ID = re.compile(r"[A-Za-z0-9-]{1,64}")

access_log = logging.getLogger("app.access")


def request_id() -> str:
    """The id of the current request, or an empty string outside of one."""
    return str(request.environ.get("app.request_id", "")) if has_request_context() else ""


def with_access_line(wsgi_app: WSGIApplication) -> WSGIApplication:
    """WSGI middleware: gives each request an id and logs its access line."""

    def logged(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        started = time.perf_counter()
        sent = environ.get("HTTP_X_REQUEST_ID", "")
        identifier = sent if REQUEST_ID.fullmatch(sent) else secrets.token_hex(16)
        environ["app.request_id"] = identifier
        fields: dict[str, object] = {
            "request_id": identifier,
            "address": environ.get("REMOTE_ADDR"),
            "method": environ["REQUEST_METHOD"],
            "path": environ.get("PATH_INFO", ""),  # no query: it may hold a token
            "status": 500,
        }
        if trace := trace_id(environ.get("HTTP_TRACEPARENT", "")):
            environ["app.trace"] = fields["trace_id"] = trace

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            fields["status"] = int(status.split(" ", 1)[0])
            headers.append(("X-Request-ID", identifier))
            return start_response(status, headers, exc_info)

        def log_access() -> None:
            fields["milliseconds"] = round((time.perf_counter() - started) * 1000, 1)
            access_log.info("request", extra=fields)

        return ClosingIterator(wsgi_app(environ, start), log_access)

    return logged
