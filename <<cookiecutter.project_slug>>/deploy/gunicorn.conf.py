"""gunicorn behind Nginx: a Unix socket, bounded requests, workers that are replaced.

Run from the project's folder: ``gunicorn --config deploy/gunicorn.conf.py``.
"""

import json
import logging
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path

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
# A second listener, on a port, for Prometheus alone: it answers /metrics and nothing else, and the
# socket above does not answer it (app/metrics/). docs/monitoring.md says who may reach it.
METRICS = os.environ.get("METRICS_ADDRESS", "")
if METRICS:
    bind = [bind, METRICS]
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
# More than may hash passwords (SLOTS in app/security/hash_slots.py): a flood of sign-ins must not
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

# Workers count in files of a folder that is new with each start; a reload goes on in the same one.
# prometheus_client looks for it when it is imported: not before this line.
FOLDER = "PROMETHEUS_MULTIPROC_DIR"
if METRICS and FOLDER not in os.environ:
    os.environ[FOLDER] = tempfile.mkdtemp(prefix="metrics-")


def pre_fork(server, worker):
    """Give the worker the lowest free slot: it continues in the files of the one that it replaces.

    Files are named by slot, not by process id: otherwise each replaced worker would leave files.
    """
    used = {other.slot for other in server.WORKERS.values()}
    worker.slot = min(set(range(1, len(used) + 2)) - used)


def post_fork(server, worker):
    """Tell the app its slot."""
    if METRICS:
        from app import metrics

        metrics.slot = worker.slot


def child_exit(server, worker):
    """Forget what a dead worker held, such as connections; what it has counted stays."""
    if METRICS:
        from prometheus_client import multiprocess

        multiprocess.mark_process_dead(worker.slot)


def on_exit(server):
    """Remove what was counted, and the folder; not what else an operator's own folder has."""
    if METRICS:
        folder = Path(os.environ[FOLDER])
        for counted in folder.glob("*.db"):
            counted.unlink()
        if not any(folder.iterdir()):
            folder.rmdir()
