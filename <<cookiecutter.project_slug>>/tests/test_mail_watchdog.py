"""``flask mail deliver`` as a process of its own: it says that it runs, or why it does not."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from flask import Flask

from tests.database import of_mail_process
from tests.marks import slow

DELIVER = [sys.executable, "-m", "flask", "--app", "wsgi", "mail", "deliver"]
ALIVE = b"READY=1\nWATCHDOG=1"  # sd_notify(3)


@contextmanager
def deliver(environment: dict[str, str], *options: str) -> Iterator[subprocess.Popen[str]]:
    """The process, which does not outlive a test that fails."""
    fixed = {"PATH": os.environ["PATH"], "FLASK_SKIP_DOTENV": "1"}
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    values = fixed | of_mail_process(environment)
    with subprocess.Popen([*DELIVER, *options], env=values, **output) as process:
        try:
            yield process
        finally:
            process.kill()


@slow
@pytest.mark.usefixtures("app")
def test_systemd_is_told_that_it_runs(environment: dict[str, str], tmp_path: Path) -> None:
    """Again and again, so that one that hangs is noticed; it ends when it is asked to."""
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(path))
        systemd.settimeout(30)
        with deliver(environment, "--heartbeat", str(path)) as process:
            assert [systemd.recv(99) for _ in range(2)] == [ALIVE] * 2
            process.terminate()
            assert process.wait(30) == 0


@slow
def test_the_process_that_sends_needs_a_mail_server(
    app: Flask, environment: dict[str, str]
) -> None:
    """And only that one: the web process has no password of it."""
    assert app.config["SETTINGS"].production
    with deliver(environment | {"MAIL_URL": ""}) as process:
        said = process.communicate(timeout=30)[0]
    problem = "Refusing to start: MAIL_URL is not set; write smtps://USER:PASSWORD@HOST\n"
    assert (process.returncode, said) == (3, problem)
