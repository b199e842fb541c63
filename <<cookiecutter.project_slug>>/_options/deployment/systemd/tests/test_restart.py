"""The service is killed: systemd keeps the socket, so that requests wait until it runs again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from tests import live
from tests.live import Site
from tests.marks import asvs, practice
from tests.test_instances import with_workers

pytestmark = practice("errors")

CLIENTS = 6
# What systemd does for a unit with a socket (sd_listen_fds(3)).
ACTIVATE = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execv(sys.executable, [sys.executable, "-m", "gunicorn", "--config", "deploy/gunicorn.conf.py"])
"""


@contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    """The socket of ``app.socket``."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(4096)
        yield listener


def started(
    listener: socket.socket, directory: Path, environment: dict[str, str]
) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """gunicorn with that socket, once more."""
    number, log = listener.fileno(), directory / "app.log"
    before = log.read_text().count("Listening at") if log.exists() else 0
    return live.running(
        [sys.executable, "-c", ACTIVATE, str(number)],
        log,
        lambda: log.read_text().count("Listening at") > before,
        {"PATH": os.environ["PATH"], **environment},
        [number],
    )


def ask_on(site: Site, enough: threading.Event) -> list[tuple[float, int]]:
    """Ask until it is enough; when each request began, and its status."""
    answers = []
    while not enough.is_set():
        began = time.monotonic()
        answers.append((began, site.get("/healthz").status))
    return answers


@asvs("16.5.2")
def test_a_kill_loses_only_requests_under_way(environment: dict[str, str], tmp_path: Path) -> None:
    path, enough = tmp_path / "app.sock", threading.Event()
    with (
        listening(path) as listener,
        started(listener, tmp_path, environment) as master,
        live.nginx(tmp_path, path) as site,
        ThreadPoolExecutor(CLIENTS) as pool,
    ):
        clients = [pool.submit(ask_on, site, enough) for _ in range(CLIENTS)]
        try:
            time.sleep(0.5)
            for pid in with_workers(master.pid):  # systemd kills what is left of a unit
                os.kill(pid, signal.SIGKILL)
            killed = time.monotonic()
            time.sleep(0.1)  # RestartSec
            with started(listener, tmp_path, environment):
                time.sleep(0.5)
                enough.set()
                answers = [answer for client in clients for answer in client.result(60)]
        finally:
            enough.set()
    later = [status for began, status in answers if began > killed]
    assert len(later) >= CLIENTS
    assert set(later) == {200}
    assert sum(status != 200 for _, status in answers) <= CLIENTS
