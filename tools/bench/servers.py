"""gunicorn and granian: the cost of a request, and how each behaves when attacked or stopped.

Both serve the same service on a Unix socket, as Nginx reaches it. Granian is installed for this
alone, into build/bench.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, suppress
from functools import partial
from pathlib import Path
from statistics import median

from tools.bench.measure import (
    Place,
    Result,
    Server,
    Service,
    alternately,
    http_request,
    ratio,
)

GRANIAN = "granian==2.8.7"
ROUNDS = 30
REQUESTS = 200
WAIT = 4  # seconds after which a request counts as not answered
PROBE = '''\
"""Answers what it was given; /slow takes a second."""
import time

def app(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        time.sleep(1)
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    start_response("200 OK", [("Content-Type", "text/plain")])
    named = [f"{name}={value}" for name, value in environ.items() if name.startswith("HTTP_")]
    return ["\\n".join([f"body={len(body)}", *named]).encode()]
'''
Start = Callable[[str], AbstractContextManager[Server]]


def measure(place: Place) -> Result:
    """CPU time and speed of both servers, then their behaviour in each of ``CASES``."""
    service = place.service(auth="session")
    (service.folder / "probe.py").write_text(PROBE, encoding="utf-8")
    packages = installed(place.folder / "granian")
    rows: list[list[str]] = []
    with service.production() as environment:
        starts: dict[str, Start] = {
            "gunicorn": lambda app: service.gunicorn(environment, application=app),
            "granian": lambda app: granian(service, environment, packages, app),
        }
        for path in ("/healthz", "/"):
            with ExitStack() as stack:
                running = {
                    name: stack.enter_context(start("wsgi:app")) for name, start in starts.items()
                }
                request = http_request("GET", path)
                turns = {
                    name: partial(server.load, request, REQUESTS)
                    for name, server in running.items()
                }
                found = alternately(ROUNDS, turns)
            ours, other = found["gunicorn"], found["granian"]
            cpu = ratio([load.cpu for load in ours], [load.cpu for load in other])
            speed = ratio([it.per_second for it in other], [it.per_second for it in ours])
            costs = [
                f"{median(load.cpu_per_request for load in it):.0f} us" for it in (ours, other)
            ]
            rows.append([f"CPU of GET {path} ({cpu:.2f}x)", *costs])
            rows.append([f"requests a second, GET {path}", "1", f"{speed:.2f}x"])
        for label, check in CASES.items():
            cells = []
            for start in starts.values():
                with start("probe:app") as server:
                    server.load(http_request("GET", "/"), 1, clients=1)  # until the worker runs
                    cells.append(check(server))
            rows.append([label, *cells])
            print("  " + " | ".join(rows[-1]), flush=True)
    return Result(
        "gunicorn and granian",
        ("", "gunicorn", "granian"),
        rows,
        [
            f"One worker of four threads, {GRANIAN}; {ROUNDS} alternating rounds of {REQUESTS} "
            "requests. The cases go to the server's own socket; Nginx would refuse or correct "
            "these requests. 200 means that the server called the app. "
            f'"No answer" means none within {WAIT} s.',
        ],
    )


def installed(folder: Path) -> Path:
    """Install granian without its dependencies, which the service has; return the folder."""
    if not (folder / "granian").exists():
        options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:"]
        command = [sys.executable, "-m", "pip", "install", *options, "--target", folder, GRANIAN]
        subprocess.run(command, check=True)
    return folder


def granian(
    service: Service, environment: Mapping[str, str], packages: Path, application: str
) -> AbstractContextManager[Server]:
    """The service under granian, with options as close as possible to gunicorn's configuration."""
    paths = {"PYTHONPATH": f"{service.folder}:{packages}"}
    options = [
        *("--interface", "wsgi", "--http", "1", "--no-ws", "--uds", "{socket}"),
        *("--uds-permissions", "0o660", "--workers", "1", "--blocking-threads", "4"),
        *("--http1-buffer-size", "8192", "--no-http1-keep-alive", "--respawn-failed-workers"),
        *("--workers-kill-timeout", "20"),
    ]
    command = ["-m", "granian", *options, application]
    return service.serving(command, {**environment, **paths})


# --- Cases: requests that Nginx would not send, and a server that stops


def raw(server: Server, data: bytes) -> str:
    """Send bytes; return the status of the answer, and for 200 the request that the app got."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(WAIT)
        client.connect(str(server.socket))
        received = b""
        with suppress(OSError):
            client.sendall(data)
        try:
            while chunk := client.recv(65536):
                received += chunk
        except TimeoutError:
            if not received:
                return "no answer"
        except OSError:
            pass
    if not received:
        return "closed"
    statuses = [part.split()[0].decode() for part in received.split(b"HTTP/1.1 ")[1:]]
    lines = received.decode(errors="replace").splitlines()
    return " ".join([" then ".join(statuses), *(it for it in lines if it.startswith("HTTP_X_E"))])


def request(*lines: str, body: bytes = b"", method: str = "POST") -> bytes:
    head = [f"{method} / HTTP/1.1", "Host: service.test", *lines]
    return "\r\n".join([*head, "", ""]).encode("latin-1") + body


def smuggled(server: Server) -> str:
    """Send two lengths. If proxy and server use different ones, the body becomes a request."""
    return raw(
        server,
        request("Content-Length: 6", "Transfer-Encoding: chunked", body=b"0\r\n\r\nG"),
    )


def slow(server: Server, sent: bytes) -> str:
    """Whether the server answers others while sixteen clients keep half a request open."""
    with ExitStack() as stack:
        for _ in range(16):
            client = stack.enter_context(socket.socket(socket.AF_UNIX))
            client.connect(str(server.socket))
            client.sendall(sent)
        time.sleep(0.5)
        status = raw(server, request("Connection: close", method="GET"))
    return "others are served" if status.startswith("200") else f"others: {status}"


def stopped(server: Server) -> str:
    """The result of a running request when the server is told to stop."""
    answers: list[str] = []
    slow_request = request("Connection: close", method="GET").replace(b"GET / ", b"GET /slow ")
    thread = threading.Thread(target=lambda: answers.append(raw(server, slow_request)))
    thread.start()
    time.sleep(0.4)
    os.kill(server.pid, signal.SIGTERM)
    thread.join()
    return "finished" if answers[0].startswith("200") else f"lost ({answers[0]})"


def reloaded(server: Server) -> str:
    """Requests without an answer while SIGHUP replaces the worker."""
    answers: list[str] = []
    done = threading.Event()

    def client() -> None:
        while not done.is_set():
            try:
                answers.append(raw(server, request("Connection: close", method="GET")))
            except OSError as error:
                answers.append(str(error))

    threads = [threading.Thread(target=client) for _ in range(4)]
    for thread in threads:
        thread.start()
    before = set(server.pids()[1:])
    time.sleep(0.5)
    os.kill(server.pid, signal.SIGHUP)
    deadline = time.monotonic() + 15
    while (stay := before & set(server.pids()[1:])) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1)
    done.set()
    for thread in threads:
        thread.join()
    lost = sum(not answer.startswith("200") for answer in answers)
    return f"{'not ' if stay else ''}replaced, {lost or 'none'} lost"


def killed(server: Server) -> str:
    """Whether the server replaces a killed worker, and after how many half seconds."""
    os.kill(server.pids()[-1], signal.SIGKILL)
    for number in range(20):
        time.sleep(0.5)
        with suppress(OSError):
            if raw(server, request("Connection: close", method="GET")).startswith("200"):
                return f"serves again within {(number + 1) / 2:.1f} s"
    return "does not serve again"


def orphaned(server: Server) -> str:
    """Whether workers end with a killed master. Otherwise nothing can stop or replace them."""
    workers = server.pids()[1:]
    os.kill(server.pid, signal.SIGKILL)
    deadline = time.monotonic() + WAIT
    while (alive := [pid for pid in workers if lives(pid)]) and time.monotonic() < deadline:
        time.sleep(0.1)
    for pid in alive:
        os.kill(pid, signal.SIGKILL)
    return "workers go on" if alive else "workers end"


def lives(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").split()[2] != "Z"
    return False


def mode(server: Server) -> str:
    return oct(server.socket.stat().st_mode & 0o777)[2:]


CASES: dict[str, Callable[[Server], str]] = {
    "socket's mode": mode,
    "header with an underscore": lambda s: raw(s, request("X_Evil: 1", "Connection: close")),
    "two different Content-Length": lambda s: raw(
        s, request("Content-Length: 1", "Content-Length: 2", body=b"ab")
    ),
    "Content-Length and Transfer-Encoding": smuggled,
    "Transfer-Encoding: xchunked": lambda s: raw(
        s, request("Transfer-Encoding: xchunked", body=b"0\r\n\r\n")
    ),
    "space before the colon": lambda s: raw(s, request("X-Evil : 1", "Connection: close")),
    "a folded header": lambda s: raw(s, request("X-Evil: 1", " 2", "Connection: close")),
    "NUL in a header": lambda s: raw(s, request("X-Evil: a\0b", "Connection: close")),
    "lines that end in LF alone": lambda s: raw(
        s, b"GET / HTTP/1.1\nHost: a\nX-Evil: 1\nConnection: close\n\n"
    ),
    "no Host, HTTP/1.1": lambda s: raw(s, b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n"),
    "request line of 16 KiB": lambda s: raw(
        s, request("Connection: close").replace(b"POST /", b"POST /" + b"a" * 16384)
    ),
    "header of 16 KiB": lambda s: raw(s, request(f"X-Evil: {'a' * 16384}", "Connection: close")),
    "150 headers": lambda s: raw(
        s, request(*(f"X-{n}: 1" for n in range(150)), "Connection: close")
    ),
    "16 clients that stop within the headers": lambda s: slow(s, b"GET / HTTP/1.1\r\nHost: a\r\n"),
    "16 clients that stop within the body": lambda s: slow(
        s, request("Content-Length: 10", body=b"ab")
    ),
    "SIGTERM during a request": stopped,
    "SIGHUP under load": reloaded,
    "a worker is killed": killed,
    "the master is killed": orphaned,
}
