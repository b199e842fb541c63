"""Logs: an attack goes unnoticed, a log line is forged, or the log itself gives secrets away.

One JSON object per line on standard error: an access line for each request, and the security events
of the OWASP Logging Vocabulary. All lines of a request share its id, also shown on an error page.
No input starts a line: JSON escapes it. Secrets are blanked, by field name and value. ASVS 16.1-4.
"""

from __future__ import annotations

import json
import logging
import re
import secrets
import sys
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from flask import Flask, g, has_request_context, request
from sqlalchemy import inspect
from werkzeug.wsgi import ClosingIterator

from app.secret import REDACTED
from app.security.trace_context import trace_id

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# Rails' default list, plus what Flask, HTTP and this service call a secret.
SECRET_NAME = re.compile(
    "passw|email|secret|token|_key|crypt|salt|certificate|otp|ssn|cvv|cvc|authoriz|cookie|csrf",
    re.IGNORECASE,
)
STANDARD_FIELDS = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}
REQUEST_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
EVENTS = "app.events"  # where a request keeps the names of its security events

access_log = logging.getLogger("app.access")
security_log = logging.getLogger("app.security")


def security_event(event: str, *, level: int = logging.WARNING, **fields: object) -> None:
    """Log one event of the OWASP Logging Vocabulary, such as ``authn_login_fail``.

    :param fields: details; give ids, never e-mail addresses or what the user typed as a secret.
    """
    if has_request_context():
        request.environ.setdefault(EVENTS, []).append(event)
    security_log.log(level, event, extra=fields)


def logged_events() -> list[str]:
    """The security events of the current request so far."""
    return list(request.environ.get(EVENTS, ()))


def request_id() -> str:
    """The id of the current request, or an empty string outside of one."""
    return str(request.environ.get("app.request_id", "")) if has_request_context() else ""


class JSONFormatter(logging.Formatter):
    """A line per record; ``known_secrets`` are blanked wherever they occur in it."""

    def __init__(self, known_secrets: Iterable[str] = ()) -> None:
        super().__init__()
        self.known_secrets = [secret for secret in known_secrets if secret]

    def format(self, record: logging.LogRecord) -> str:
        created = datetime.fromtimestamp(record.created, UTC)
        entry: dict[str, object] = {
            "time": created.isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "event": record.getMessage(),
        }
        if has_request_context():
            user = g.get("user")
            entry |= {"request_id": request_id(), "address": request.remote_addr}
            if trace := request.environ.get("app.trace"):
                entry["trace_id"] = trace
            # Not user.id: after a failed write it would ask a database that does not answer.
            entry["user"] = inspect(user).identity[0] if user else None
        entry |= {
            name: REDACTED if SECRET_NAME.search(name) else value
            for name, value in vars(record).items()
            if name not in STANDARD_FIELDS
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        line = self.write(entry)
        for secret in self.known_secrets:
            line = line.replace(secret, REDACTED)
        return line

    def write(self, entry: dict[str, object]) -> str:
        return json.dumps(entry, default=str)


class StandardErrorHandler(logging.Handler):
    """Writes each record to what is standard error at that time. A full disk ends no request."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(self.format(record) + "\n")
            sys.stderr.flush()
        except (OSError, ValueError):
            self.handleError(record)


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


def init_app(app: Flask) -> None:
    """Send every log line through one handler and give every request an id."""
    settings = app.config["SETTINGS"]
    handler = StandardErrorHandler()
    keys = settings.secret_key, *settings.secret_key_fallbacks
    handler.setFormatter(JSONFormatter([key.reveal() for key in keys]))
    root = logging.getLogger()
    for old in [it for it in root.handlers if isinstance(it, StandardErrorHandler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    app.logger.setLevel(logging.INFO)
    app.wsgi_app = with_access_line(app.wsgi_app)  # type: ignore[assignment, method-assign]


def check(app: Flask) -> Iterator[str]:
    """Yield a problem when log lines would be lost or could be forged."""
    if not any(type(h.formatter) is JSONFormatter for h in logging.getLogger().handlers):
        yield "log lines are not JSON; call logs.init_app(app) after other logging set-up"
    if not security_log.isEnabledFor(logging.INFO):
        yield "security events are not logged; set the level of the logger 'app' to INFO"
