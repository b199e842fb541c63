"""Logs: an attack goes unnoticed, a log line is forged, or the log itself gives secrets away.

One JSON object per line on standard error: the lines of :mod:`app.security.access_log`, and the
security events of the OWASP Logging Vocabulary. No input starts a line: JSON escapes it. It blanks
secrets, by field name and value. ASVS 16.1-4.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from flask import Flask, g, has_request_context, request
from sqlalchemy import inspect

from app.secret import REDACTED
from app.security.access_log import request_id, with_access_line

# Rails' default list, plus what Flask, HTTP and this service call a secret.
SECRET_NAME = re.compile(
    "passw|email|secret|token|_key|crypt|salt|certificate|otp|ssn|cvv|cvc|authoriz|cookie|csrf",
    re.IGNORECASE,
)
STANDARD_FIELDS = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}
EVENTS_KEY = "app.events"  # where a request keeps the names of its security events

security_log = logging.getLogger("app.security")


def security_event(event: str, *, level: int = logging.WARNING, **fields: object) -> None:
    """Log one event of the OWASP Logging Vocabulary, such as ``authn_login_fail``.

    :param fields: details; give ids, never e-mail addresses or what the user typed as a secret.
    """
    if has_request_context():
        request.environ.setdefault(EVENTS_KEY, []).append(event)
    security_log.log(level, event, extra=fields)


def logged_events() -> list[str]:
    """The security events of the current request so far."""
    return list(request.environ.get(EVENTS_KEY, ()))


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
