"""Clients that send a byte now and then: how many connections of Nginx they hold, and how long.

They never hold a worker of the app: Nginx passes a request on when it is complete, and takes a
response at once. The bodies they never finish have no limit of time, so there is one for their
number.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from tests import live
from tests.browser import DOMAIN
from tests.live import Site
from tests.marks import asvs, practice
from tests.races import TIMEOUT
from tests.test_instances import processes, with_workers

pytestmark = practice("rate_limits")

# Nginx waits 10 and 30 seconds; a test does not.
SHORT = {
    "client_header_timeout 10s": "client_header_timeout 1s",
    "client_body_timeout 10s": "client_body_timeout 1s",
    "keepalive_timeout 30s": "keepalive_timeout 1s",
    "worker_shutdown_timeout 30s": "worker_shutdown_timeout 1s",
}
HANGING = {"proxy_read_timeout 35s": "proxy_read_timeout 1s"}
PAUSE = 0.4  # seconds between two bytes: less than any of these
ALLOWED = 20  # requests at once from one address
REPLACED = 60  # seconds; gunicorn waits for 30
LARGE = 10 * 2**20  # bytes of an export

START = f"POST / HTTP/1.1\r\nHost: {DOMAIN}\r\n".encode()
SLOW_BODY = START + b"Content-Length: 1000\r\n\r\nx"
HELLO = b"\x16\x03\x01\x02\x00"  # 512 bytes of the TLS handshake follow


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """A frame of HTTP/2 (RFC 9113, section 4.1)."""
    length = struct.pack(">I", len(payload))[1:]
    return length + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def fields(values: dict[str, str]) -> bytes:
    """Header fields of HTTP/2, not compressed (RFC 7541, section 6.2.2)."""
    pairs = [(name.encode(), value.encode()) for name, value in values.items()]
    return b"".join(
        b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value for name, value in pairs
    )


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0)
HEADERS = fields({":method": "POST", ":path": "/", ":scheme": "https", ":authority": DOMAIN})
MORE = frame(9, 0, 1, fields({"x": "y"}))
COMPLETE = 4  # flag: the header ends here, the body does not


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The socket of a gunicorn whose application answers what it was given."""
    with live.gunicorn(tmp_path_factory.mktemp("echo"), {}, "tests.live:echo") as path:
        yield path


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory, echo: Path) -> Iterator[Site]:
    """Nginx in front of it."""
    with live.nginx(tmp_path_factory.mktemp("edge"), echo) as site:
        yield site


def context(site: Site, protocol: str) -> ssl.SSLContext:
    """A client that speaks this protocol: ``http/1.1`` or ``h2``."""
    tls = site.tls()
    tls.set_alpn_protocols([protocol])
    return tls


def is_open(connection: socket.socket) -> bool:
    """Whether the server keeps it open for ``PAUSE`` seconds; what it sends is ignored."""
    until = time.monotonic() + PAUSE
    while (left := until - time.monotonic()) > 0:
        connection.settimeout(left)
        try:
            if not connection.recv(65536):
                return False
        except TimeoutError:
            return True
        except OSError:  # reset
            return False
    return True


def ends(connection: socket.socket, first: bytes, repeated: bytes) -> bool:
    """Send slowly; whether the server closes the connection within ``TIMEOUT`` seconds."""
    deadline = time.monotonic() + TIMEOUT
    try:
        connection.sendall(first)
        while is_open(connection):
            if time.monotonic() > deadline:
                return False
            connection.sendall(repeated)
    except OSError:  # closed while this was sent
        pass
    return True


@asvs("15.2.2")
@pytest.mark.parametrize(
    ("protocol", "first", "repeated"),
    [
        pytest.param("", HELLO, b"\0", id="TLS handshake"),
        pytest.param("http/1.1", START + b"X: ", b"a", id="header"),
        pytest.param("h2", b"", PREFACE[:1], id="HTTP/2 preface"),
        pytest.param("h2", PREFACE, frame(6, 0, 0, bytes(8)), id="HTTP/2 pings"),
        pytest.param(
            "h2", PREFACE + frame(1, COMPLETE, 1, bytes(99))[:20], b"\0", id="HTTP/2 header"
        ),
        pytest.param("h2", PREFACE + frame(1, 0, 1, HEADERS), MORE, id="HTTP/2 continuation"),
    ],
)
def test_a_connection_without_a_request_ends(
    tmp_path: Path, echo: Path, protocol: str, first: bytes, repeated: bytes
) -> None:
    """However often a byte comes."""
    with ExitStack() as stack:
        site = stack.enter_context(live.nginx(tmp_path, echo, changes=SHORT))
        if protocol:
            connection = stack.enter_context(site.connect(tls=context(site, protocol)))
        else:
            address = (site.address, site.https_port)
            connection = stack.enter_context(socket.create_connection(address))
        assert ends(connection, first, repeated)


@asvs("2.4.1", "15.2.2")
def test_an_address_holds_no_more_than_20_slow_bodies(edge: Site) -> None:
    with ExitStack() as stack:
        slow = [stack.enter_context(edge.connect(source="127.0.0.30")) for _ in range(30)]
        for connection in slow:
            connection.sendall(SLOW_BODY)
        answers: dict[socket.socket, str] = {}

        def look() -> int:
            answers.update({it: said for it in slow if it not in answers and (said := answer(it))})
            return len(answers)

        live.wait_until(lambda: look() >= 30 - ALLOWED)
        time.sleep(PAUSE)
        assert look() == 30 - ALLOWED
        assert set(answers.values()) == {"HTTP/1.1 429"}
        assert edge.request("GET", "/", source="127.0.0.30").status == 429
        assert edge.request("GET", "/", source="127.0.0.31").status == 200


@asvs("2.4.1", "15.2.2")
def test_the_streams_of_one_connection_count_as_well(edge: Site) -> None:
    with edge.connect(tls=context(edge, "h2"), source="127.0.0.40") as connection:
        streams = range(1, 61, 2)
        connection.sendall(PREFACE + b"".join(frame(1, COMPLETE, n, HEADERS) for n in streams))
        live.wait_until(lambda: refused(edge, "127.0.0.40") == 30 - ALLOWED)
        assert edge.request("GET", "/", source="127.0.0.40").status == 429
        assert edge.request("GET", "/", source="127.0.0.41").status == 200


def answer(connection: socket.socket) -> str:
    """The beginning of the answer; empty when there is none yet."""
    connection.settimeout(0.01)
    try:
        return connection.recv(12).decode()
    except TimeoutError:
        return ""


def refused(site: Site, address: str) -> int:
    """How many requests from there Nginx has answered with 429."""
    return len(re.findall(rf'"address":"{address}".*"status":"429"', site.log()))


@contextmanager
def large_response(path: Path) -> Iterator[threading.Event]:
    """An app whose only response is as large as an export; set when Nginx has taken all of it."""
    taken = threading.Event()

    def answer(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\nConnection: close\r\n\r\n"
            with suppress(OSError):  # Nginx was stopped before
                connection.sendall(head.encode() + b"x" * LARGE)
                taken.set()

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=answer, args=[listener])
        thread.start()
        yield taken
    thread.join(TIMEOUT)


@asvs("15.2.2")
def test_a_client_that_does_not_read_occupies_no_thread_of_the_app(tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    with large_response(path) as taken, live.nginx(tmp_path, path) as site, site.connect() as slow:
        slow.sendall(f"GET / HTTP/1.1\r\nHost: {DOMAIN}\r\n\r\n".encode())
        assert taken.wait(TIMEOUT)


@contextmanager
def silent(path: Path) -> Iterator[list[socket.socket]]:
    """An app that takes each request and never answers; its connections."""
    taken: list[socket.socket] = []
    over = threading.Event()

    def accept(listener: socket.socket) -> None:
        while not over.is_set():
            taken.append(listener.accept()[0])

    with ExitStack() as stack, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=accept, args=[listener])
        thread.start()
        try:
            yield taken
        finally:
            over.set()
            with socket.socket(socket.AF_UNIX) as last:
                last.connect(str(path))
            thread.join(TIMEOUT)
            for connection in taken:
                stack.enter_context(connection)


@practice("errors")
@asvs("15.2.2")
def test_a_request_that_hangs_is_given_up(tmp_path: Path) -> None:
    """The client hears that it may try again, and no connection to the app stays."""
    path = tmp_path / "app.sock"
    with silent(path) as taken, live.nginx(tmp_path, path, changes=HANGING) as site:
        answer = site.get("/")
        (connection,) = taken
        connection.settimeout(TIMEOUT)
        assert b"GET / HTTP/1.1" in b"".join(iter(lambda: connection.recv(65536), b""))
    assert (answer.status, answer.header("retry-after")) == (504, "5")
    assert "The service takes too long to answer." in answer.body
    assert answer.header("cache-control") == "no-store"


@asvs("15.2.2")
def test_a_body_that_stalls_ends_and_never_reaches_the_app(tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    with (
        silent(path) as taken,
        live.nginx(tmp_path, path, changes=SHORT) as site,
        site.connect() as connection,
    ):
        connection.sendall(SLOW_BODY)
        connection.settimeout(TIMEOUT)
        with suppress(ConnectionError, ssl.SSLError):  # reset
            assert connection.recv(65536) == b""
        assert taken == []


@practice("errors")
@asvs("15.2.2")
def test_a_worker_without_a_sign_of_life_is_replaced(tmp_path: Path) -> None:
    """Half a minute, as deployed: one that hangs as a whole would take requests for ever."""
    with live.gunicorn(tmp_path, {"WEB_CONCURRENCY": "1"}, "tests.live:echo") as path:
        assert answered(path)  # before its first sign of life, gunicorn waits for none
        master, frozen = processes(path)
        os.kill(frozen, signal.SIGSTOP)
        live.wait_until(lambda: frozen not in with_workers(master), REPLACED)
        assert answered(path)


def answered(path: Path) -> bool:
    with live.connect_unix(path) as connection:
        connection.request("GET", "/")
        return connection.getresponse().status == 200


@asvs("15.2.2")
def test_a_reload_ends_slow_bodies(tmp_path: Path, echo: Path) -> None:
    """Or each reload, as for a new certificate, would leave a process behind for months."""
    with live.nginx(tmp_path, echo, changes=SHORT) as site:
        with site.connect() as connection:
            connection.sendall(SLOW_BODY)
            assert is_open(connection)
            os.kill(int((tmp_path / "nginx.pid").read_text()), signal.SIGHUP)
            assert ends(connection, b"x", b"x")
        assert site.get("/").status == 200
