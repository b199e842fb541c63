"""slowhttptest opens connections that send or read slowly; other clients still get answers.

Three attacks with 200 connections for 12 seconds each, on loopback.
"""

from __future__ import annotations

import os
import re
import socket
import ssl
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.live.conftest import Service, lacking, program

pytestmark = pytest.mark.tls

ATTACKS = {
    "headers": ["-H", "-i", "3", "-x", "24"],
    "body": ["-B", "-i", "3", "-s", "8192", "-x", "10"],
    "reading": ["-X", "-w", "10", "-y", "20", "-n", "2", "-z", "5"],
}


def answer(service: Service, context: ssl.SSLContext) -> str:
    """The status line that a client with another address gets."""
    with (
        socket.create_connection(
            (service.address, service.https_port), 10, ("127.55.0.1", 0)
        ) as plain,
        context.wrap_socket(plain, server_hostname=service.domain) as secure,
    ):
        secure.sendall(f"GET /healthz HTTP/1.1\r\nHost: {service.domain}\r\n\r\n".encode())
        return secure.recv(100).decode().split("\r\n")[0]


def test_slow_clients_leave_the_service_available(service: Service, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        lacking("needs root, to give the attackers a separate hosts file")
    hosts = tmp_path / "hosts"
    hosts.write_text(f"{service.address} {service.domain}\n", "utf-8")
    mounted = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', hosts]
    bounds = ["-c", "200", "-r", "100", "-l", "12", "-p", "5"]
    target = ["-u", f"https://{service.domain}:{service.https_port}/"]
    context = ssl.create_default_context(cafile=service.ca)
    served = 0
    with ExitStack() as stack:
        attackers = {}
        for name, options in ATTACKS.items():
            output = stack.enter_context((tmp_path / f"{name}.log").open("w"))
            attackers[name] = stack.enter_context(
                subprocess.Popen(
                    [*mounted, program("slowhttptest"), *bounds, *options, *target],
                    stdout=output,
                    stderr=output,
                )
            )
            stack.callback(attackers[name].kill)
        while any(attacker.poll() is None for attacker in attackers.values()):
            assert answer(service, context) == "HTTP/1.1 200 OK"
            served += 1
            time.sleep(0.3)
    assert served > 5
    for name in attackers:
        said = re.sub(r"\x1b\[[0-9;]*m", "", (tmp_path / f"{name}.log").read_text("utf-8"))
        assert re.search(r"service available:\s+YES", said), said[-2000:]
        assert not re.search(r"service available:\s+NO", said), said[-2000:]
