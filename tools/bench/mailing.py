"""Run in a service's folder with its Python: a mail server, and the process that sends to it.

The argument says what the mail server does: ``answers``, ``silent`` after MAIL, or ``gone``. Server
and process run until standard input ends; settings come from the environment.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import nullcontext
from threading import Event

from tests.mail_server import OK, mail_server

from tests.live import free_ports

DELIVER = [sys.executable, "-m", "flask", "--app", "wsgi", "mail", "deliver"]


def main(behaviour: str) -> None:
    over = Event()
    with nullcontext() if behaviour == "gone" else mail_server() as server:
        if server and behaviour == "silent":
            server.steps["MAIL"] = lambda _: OK if over.wait() else ""
        url = server.url() if server else f"smtp://127.0.0.1:{free_ports('127.0.0.1')[0]}"
        with subprocess.Popen(DELIVER, env={**os.environ, "MAIL_URL": url}) as process:
            print(json.dumps({"mail": url}), flush=True)
            sys.stdin.read()
            process.kill()  # it would wait for the silent server
        over.set()


if __name__ == "__main__":
    main(sys.argv[1])
