"""TLS to PostgreSQL: only the server that the authority vouches for is spoken to.

A server of the tests' own speaks TLS in front of the real one. It has the name of this machine, so
that it counts as remote, and a certificate of the tests' own authority.
"""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from select import select
from subprocess import CalledProcessError

import psycopg
import pytest
from flask import Flask
from sqlalchemy import URL, make_url, text
from sqlalchemy.exc import OperationalError

from app.database import db, dumps, provisioning
from tests import needs
from tests.database import dispose
from tests.live import make_certificates
from tests.marks import asvs, practice
from tests.needs import HOST

SSL_REQUEST = struct.pack("!ii", 8, 80877103)  # what libpq sends first

pytestmark = practice("database.dialect")


class Terminator:
    """Answers libpq's question for TLS with yes and speaks it, or with no; counts what it hears."""

    def __init__(self, target: URL, certificates: Path | None) -> None:
        self.target = target
        self.context = None
        if certificates is not None:
            self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            self.context.load_cert_chain(
                certificates / "fullchain.pem", certificates / "privkey.pem"
            )
        self.encrypted = 0  # connections
        self.plain = b""  # bytes after the question
        self.listener = socket.create_server((needs.address(), 0))
        self.port = self.listener.getsockname()[1]
        self.threads: list[threading.Thread] = []
        self._start(self.accept)

    def _start(self, function: Callable[..., None], *arguments: socket.socket) -> None:
        thread = threading.Thread(target=function, args=arguments, daemon=True)
        self.threads.append(thread)
        thread.start()

    def accept(self) -> None:
        with suppress(OSError):  # the listener was shut down
            while True:
                self._start(self.serve, self.listener.accept()[0])

    def serve(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            client.settimeout(10)
            assert client.recv(8) == SSL_REQUEST
            if self.context is None:
                client.sendall(b"N")
                self.plain += client.recv(1000)
                return
            client.sendall(b"S")
            with self.context.wrap_socket(client, server_side=True) as secure:
                # libpq checks the name in the certificate after the handshake, before it sends data.
                start = secure.recv(1000)
                if not start:
                    return
                self.encrypted += 1
                with self.connect() as server:
                    server.sendall(start)
                    relay(secure, server)

    def connect(self) -> socket.socket:
        folder = self.target.query.get("host")
        port = self.target.port or 5432
        if folder is None:
            return socket.create_connection((self.target.host, port))
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{folder}/.s.PGSQL.{port}")
        return server

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for thread in self.threads:
            thread.join(10)


def relay(secure: ssl.SSLSocket, server: socket.socket) -> None:
    """Both directions in one thread: OpenSSL does not allow two on one connection."""
    while True:
        if secure.pending():
            ready: list[socket.socket] = [secure]
        else:
            ready = select([secure, server], [], [], 10)[0]
        for source, target in ((secure, server), (server, secure)):
            if source in ready:
                data = source.recv(65536)
                if not data:
                    return
                target.sendall(data)


@pytest.fixture
def terminator(environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., Terminator]]:
    """Start a server whose certificate is for the given name; without a name it has no TLS."""
    started = []

    def start(name: str | None = HOST) -> Terminator:
        folder = tmp_path / "tls"
        if name is not None:
            make_certificates(folder, f"DNS:{name}")
        target = make_url(environment["MIGRATION_DATABASE_URL"])
        started.append(Terminator(target, None if name is None else folder))
        return started[-1]

    yield start
    for server in started:
        server.close()


@contextmanager
def refused(reason: str) -> Iterator[None]:
    """The engine, the driver and the tools all say so."""
    with pytest.raises((OperationalError, psycopg.OperationalError, CalledProcessError)) as caught:
        yield
    error = caught.value
    assert reason in (error.stderr if isinstance(error, CalledProcessError) else str(error))
    assert "canary" not in repr(error) + str(error)


def connect_all(
    make_app: Callable[..., Flask],
    terminator: Terminator,
    tmp_path: Path,
    query: str,
    reason: str = "",
) -> None:
    """Connect as the app, as the migrator, as an administrator, and with PostgreSQL's tools."""
    target = terminator.target.set(host=HOST, port=terminator.port, query={})
    url = target.render_as_string(hide_password=False) + query
    app = make_app(DATABASE_URL=url, MIGRATION_DATABASE_URL=url)
    parsed = make_url(url)

    def ask(name: str) -> None:
        with app.app_context(), db.get_engine(name).connect() as connection:
            assert connection.execute(text("SELECT 1")).scalar() == 1

    for call, connections in (
        (lambda: ask("default"), 1),
        (lambda: ask("migration"), 1),
        (lambda: provisioning.connected(parsed).close(), 1),
        (lambda: dumps.backup(parsed, tmp_path / "backup.dump"), 2),  # the version, the tool
    ):
        before = terminator.encrypted
        if reason:
            with refused(reason):
                call()
            assert terminator.encrypted == before
        else:
            call()
            assert terminator.encrypted == before + connections
    dispose(app)


@asvs("12.3.1")
def test_connections_to_the_right_server_are_encrypted(
    make_app: Callable[..., Flask], terminator: Callable[..., Terminator], tmp_path: Path
) -> None:
    server = terminator()
    connect_all(make_app, server, tmp_path, f"?sslrootcert={tmp_path}/tls/ca.pem")
    connect_all(
        make_app, server, tmp_path, f"?sslmode=verify-full&sslrootcert={tmp_path}/tls/ca.pem"
    )


def test_system_certificate_authorities_are_trusted_by_default(
    make_app: Callable[..., Flask],
    terminator: Callable[..., Terminator],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = terminator()
    connect_all(make_app, server, tmp_path, "", "certificate verify failed")
    monkeypatch.setenv("SSL_CERT_FILE", f"{tmp_path}/tls/ca.pem")
    connect_all(make_app, server, tmp_path, "")


@asvs("12.3.2", "12.3.4")
def test_a_certificate_of_another_authority_is_refused(
    make_app: Callable[..., Flask], terminator: Callable[..., Terminator], tmp_path: Path
) -> None:
    server = terminator()
    other = make_certificates(tmp_path / "other", f"DNS:{HOST}")
    connect_all(make_app, server, tmp_path, f"?sslrootcert={other}", "certificate verify failed")


@asvs("12.3.2")
def test_a_certificate_for_another_name_is_refused(
    make_app: Callable[..., Flask], terminator: Callable[..., Terminator], tmp_path: Path
) -> None:
    server = terminator("other.example")
    reason = "does not match host name"
    connect_all(make_app, server, tmp_path, f"?sslrootcert={tmp_path}/tls/ca.pem", reason)


@asvs("12.3.1")
def test_nothing_is_sent_to_a_server_without_tls(
    make_app: Callable[..., Flask], terminator: Callable[..., Terminator], tmp_path: Path
) -> None:
    server = terminator(None)
    authority = make_certificates(tmp_path / "tls", f"DNS:{HOST}")
    connect_all(
        make_app, server, tmp_path, f"?sslrootcert={authority}", "server does not support SSL"
    )
    assert server.plain == b""
