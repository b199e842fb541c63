"""The cluster's DNS: Services by name, and servers outside by names of the tests. Runs in a pod.

The environment variable ``HOSTS`` has the latter, as ``NAME=ADDRESS NAME=ADDRESS``.
"""

from __future__ import annotations

import json
import os
import socket
import socketserver
import ssl
import struct
import threading
import time
import urllib.request
from pathlib import Path

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
TIME_TO_LIVE = 5  # seconds
names: dict[str, str] = {}


def follow_services() -> None:
    """Ask the API for all Services, every second."""
    tls = ssl.create_default_context(cafile=ACCOUNT / "ca.crt")
    url = f"https://{os.environ['KUBERNETES_SERVICE_HOST']}/api/v1/services"
    others = dict(host.split("=") for host in os.environ.get("HOSTS", "").split())
    while True:
        token = (ACCOUNT / "token").read_text("utf-8")
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
        try:
            with urllib.request.urlopen(request, context=tls, timeout=5) as answer:
                services = json.load(answer)["items"]
        except OSError as error:  # what was known stays known
            print(error, flush=True)
        else:
            names.update(others)
            for service in services:
                space, name = service["metadata"]["namespace"], service["metadata"]["name"]
                names[f"{name}.{space}.svc.cluster.local"] = service["spec"]["clusterIP"]
        time.sleep(1)


def answer(query: bytes) -> bytes:
    """The answer to a query for one name: its IPv4 address, nothing for IPv6, or no such name."""
    at, labels = 12, []
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode().lower())
        at += query[at] + 1
    (kind,) = struct.unpack(">H", query[at + 1 : at + 3])
    address = names.get(".".join(labels))
    record = b""
    if address and kind == 1:
        head = struct.pack(">HHHLH", 0xC00C, 1, 1, TIME_TO_LIVE, 4)
        record = head + socket.inet_aton(address)
    flags = 0x8580 | (0 if address else 3)
    counts = struct.pack(">HHHHH", flags, 1, 1 if record else 0, 0, 0)
    return query[:2] + counts + query[12 : at + 5] + record


class Datagram(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        self.request[1].sendto(answer(self.request[0]), self.client_address)


class Stream(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        (length,) = struct.unpack(">H", self.rfile.read(2))
        text = answer(self.rfile.read(length))
        self.wfile.write(struct.pack(">H", len(text)) + text)


if __name__ == "__main__":
    threading.Thread(target=follow_services, daemon=True).start()
    stream = socketserver.ThreadingTCPServer(("0.0.0.0", 53), Stream)  # noqa: S104  (its pod alone)
    threading.Thread(target=stream.serve_forever, daemon=True).start()
    socketserver.ThreadingUDPServer(("0.0.0.0", 53), Datagram).serve_forever()  # noqa: S104
