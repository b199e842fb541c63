"""gunicorn behind Nginx: a Unix socket, bounded requests, workers that are replaced.

Run from the project's folder: ``gunicorn --config deploy/gunicorn.conf.py``.
"""

import json
import logging
import os
from datetime import UTC, datetime

from gunicorn.glogging import Logger


class JSONFormatter(logging.Formatter):
    """One JSON object a line, with the names of the app's log: no input can start another line."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "event": record.getMessage(),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry)


class JSONLogger(Logger):
    """gunicorn's log in that format."""

    def setup(self, cfg: object) -> None:
        super().setup(cfg)
        for handler in self.error_log.handlers:
            handler.setFormatter(JSONFormatter())


wsgi_app = "wsgi:app"

# Nothing listens on a port: the only way in is through Nginx, which owns the headers that the app
# trusts. The socket is for its owner and group (0660); Nginx's user belongs to the group.
SOCKET = "unix:/run/<< cookiecutter.project_slug >>/app.sock"
bind = os.environ.get("GUNICORN_BIND", SOCKET)
umask = 0o117
# On a Unix socket gunicorn trusts its peer, whatever its address; no other peer is trusted.
forwarded_allow_ips = ""
secure_scheme_headers = {"X-FORWARDED-PROTO": "https"}
forwarder_headers = ""  # SCRIPT_NAME and PATH_INFO are ours to set, not the client's
header_map = "refuse"  # "X_Forwarded_For" would pass for "X-Forwarded-For"

# Each process hashes up to 3 passwords at a time, with 46 MiB each.
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
worker_class = "gthread"
# The master builds the app: a bad setting stops it at once, and is reported once.
preload_app = True
# More than may hash passwords (SLOTS in app/security/passwords.py): a flood of sign-ins must not
# take the last one from those who are signed in.
threads = max(4, int(os.environ.get("GUNICORN_THREADS", "4")))
timeout = 30  # seconds without a sign of life; then the worker is replaced
graceful_timeout = 20  # seconds to finish what was begun
keepalive = 0  # Nginx opens a connection for each request (deploy/nginx/proxy.conf)
max_requests = 10_000  # a leak ends with its worker
max_requests_jitter = 1_000

# Bytes and counts. Nginx refuses larger ones before, with a page of its own.
limit_request_line = 8190
limit_request_field_size = 8190
limit_request_fields = 100

accesslog = None  # the app writes a line of JSON for each request
errorlog = "-"
logger_class = JSONLogger
control_socket_disable = True  # a second way in, and a file outside of the project
