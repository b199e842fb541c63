"""Logs: an attack goes unnoticed, a log line is forged, or the log itself gives secrets away.

One JSON object per line on standard error: an access line per request and the security events of
the OWASP Logging Vocabulary, each with the request id that an error page shows. Control characters
are escaped: no input starts a line. Secrets are blanked, by field name and by value. ASVS 16.1-4.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import TextIO

from flask import Flask, g, has_request_context, request
from sqlalchemy import inspect

from app.security.request_log import RequestLog, timestamp

# Rails' default list, plus what Flask, HTTP and this service call a secret.
SECRET_NAME = re.compile(
    "passw|email|secret|token|_key|crypt|salt|certificate|otp|ssn|cvv|cvc|authoriz|cookie|csrf",
    re.IGNORECASE,
)
REDACTED = "[redacted]"
ENCODE = json.JSONEncoder(default=str).encode  # json.dumps makes an encoder for each line
STANDARD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

security_log = logging.getLogger("app.security")


def security_event(event: str, *, level: int = logging.WARNING, **fields: object) -> None:
    """Log one event of the OWASP Logging Vocabulary, such as ``authn_login_fail``.

    :param fields: details; give ids, never e-mail addresses or what the user typed as a secret.
    """
    security_log.log(level, event, extra=fields)


def request_id() -> str:
    """The id of the current request, or an empty string outside of one."""
    return str(request.environ.get("app.request_id", "")) if has_request_context() else ""


@lru_cache(maxsize=256)
def is_secret(name: str) -> bool:
    """Whether a field of this name may hold a secret; the code has few names, so all are kept."""
    return SECRET_NAME.search(name) is not None


class JSONFormatter(logging.Formatter):
    """A line per record; ``known_secrets`` are blanked wherever they occur in it."""

    def __init__(self, known_secrets: Iterable[str] = ()) -> None:
        super().__init__()
        self.known_secrets = [secret for secret in known_secrets if secret]

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "time": timestamp(record.created),
            "level": record.levelname,
            "logger": record.name,
            "event": record.getMessage(),
        }
        if has_request_context():
            user = g.get("user")
            entry |= {
                "request_id": request_id(),
                "address": request.remote_addr,
                # Not user.id: after a failed write it would ask a database that does not answer.
                "user": inspect(user).identity[0] if user else None,
            }
        entry |= {
            name: REDACTED if is_secret(name) else value
            for name, value in vars(record).items()
            if name not in STANDARD_FIELDS
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return self.line(entry)

    def line(self, entry: dict[str, object]) -> str:
        """The entry as JSON, which escapes whatever would end the line."""
        line = ENCODE(entry)
        for secret in self.known_secrets:
            line = line.replace(secret, REDACTED)
        return line


class StandardErrorHandler(logging.StreamHandler[TextIO]):
    """Writes to what is standard error at the time of writing."""

    def __init__(self, formatter: JSONFormatter) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self.line = formatter.line

    def write(self, entry: dict[str, object]) -> None:
        """Write an entry that is no record of a logger."""
        line, stream = self.line(entry) + "\n", self.stream
        self.acquire()
        try:
            stream.write(line)
            stream.flush()
        except (OSError, ValueError):
            self.handleError(logging.makeLogRecord(entry))  # a full disk ends no request
        finally:
            self.release()

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    @stream.setter
    def stream(self, value: TextIO) -> None: ...


def init_app(app: Flask) -> None:
    """Send every log line through one handler and give every request an id."""
    settings = app.config["SETTINGS"]
    formatter = JSONFormatter([settings.secret_key, *settings.secret_key_fallbacks])
    handler = StandardErrorHandler(formatter)
    root = logging.getLogger()
    root.handlers = [old for old in root.handlers if not isinstance(old, StandardErrorHandler)]
    root.addHandler(handler)
    app.logger.setLevel(logging.INFO)
    app.wsgi_app = RequestLog(app.wsgi_app, handler.write)  # type: ignore[method-assign]


def check(app: Flask) -> Iterator[str]:
    """Yield a problem when log lines would be lost or could be forged."""
    if not any(isinstance(h.formatter, JSONFormatter) for h in logging.getLogger().handlers):
        yield "log lines are not JSON; call logs.init_app(app) after other logging set-up"
    if not security_log.isEnabledFor(logging.INFO):
        yield "security events are not logged; set the level of the logger 'app' to INFO"
