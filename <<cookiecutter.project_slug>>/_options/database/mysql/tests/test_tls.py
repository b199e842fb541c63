"""TLS to MySQL and MariaDB: only the server that the authority vouches for is spoken to.

A server of the tests' own has the name of this machine, so that it counts as remote, and a
certificate of the tests' own authority.
"""

from __future__ import annotations

import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from subprocess import CalledProcessError

import pymysql
import pytest
from flask import Flask
from sqlalchemy import URL, text
from sqlalchemy.exc import OperationalError

from app.database import db, dumps, provisioning
from app.database.dialect import connect_arguments
from app.database.roles import Roles
from tests.database import dispose
from tests.live import make_certificates
from tests.marks import asvs, practice
from tests.needs import HOST
from tests.server import ELSEWHERE, Server, own_server

pytestmark = practice("database.dialect")

REFUSED = r"(?i)certificate|tls|ssl"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with own_server(tmp_path_factory.mktemp("mysql")) as server:
        yield server


@pytest.fixture(scope="module")
def url(server: Server) -> URL:
    """A database on the server, for the one user that may migrate it."""
    app = URL.create("mysql+pymysql", "app", "canary", HOST, server.port, "service")
    migrator = app.set(username="migrator")
    provisioning.create(server.admin, Roles(app, migrator), development=False)
    return migrator


def connect_all(make_app: Callable[..., Flask], url: URL, tmp_path: Path, *, refused: bool) -> None:
    """Connect as the app, as the migrator, as an administrator, and with the tools."""
    shown = url.render_as_string(hide_password=False)
    app = make_app(DATABASE_URL=shown, MIGRATION_DATABASE_URL=shown)

    def ask(name: str) -> None:
        with app.app_context(), db.get_engine(name).connect() as connection:
            cipher = connection.execute(text("SHOW STATUS LIKE 'Ssl_cipher'")).one()
            assert cipher[1].startswith(("TLS", "ECDHE")), cipher

    def administer() -> None:
        with provisioning.connected(url):
            pass

    def load() -> None:
        (tmp_path / "empty").touch()
        with (tmp_path / "empty").open("rb") as data:
            dumps._tool(url, ("mariadb", "mysql"), stdin=data)

    for call in (
        lambda: ask("default"),
        lambda: ask("migration"),
        administer,
        lambda: dumps.backup(url, tmp_path / "backup.sql"),
        load,
    ):
        if not refused:
            call()
            continue
        with pytest.raises((OperationalError, pymysql.Error, CalledProcessError)) as caught:
            call()
        error = caught.value
        said = error.stderr.decode() if isinstance(error, CalledProcessError) else str(error)
        assert re.search(REFUSED, said), said
        assert "canary" not in said + repr(error)
    dispose(app)


def with_authority(url: URL, authority: Path) -> URL:
    return url.update_query_dict({"ssl_ca": str(authority)})


@asvs("12.3.1")
def test_connections_to_the_right_server_are_encrypted(
    make_app: Callable[..., Flask], server: Server, url: URL, tmp_path: Path
) -> None:
    authority = server.directory / "tls" / "ca.pem"
    connect_all(make_app, with_authority(url, authority), tmp_path, refused=False)


def test_system_certificate_authorities_are_trusted_by_default(
    make_app: Callable[..., Flask],
    server: Server,
    url: URL,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connect_all(make_app, url, tmp_path, refused=True)
    monkeypatch.setenv("SSL_CERT_FILE", f"{server.directory}/tls/ca.pem")
    connect_all(make_app, url, tmp_path, refused=False)


@asvs("12.3.2", "12.3.4")
def test_a_certificate_of_another_authority_is_refused(
    make_app: Callable[..., Flask], url: URL, tmp_path: Path
) -> None:
    other = make_certificates(tmp_path / "other", f"DNS:{HOST}")
    connect_all(make_app, with_authority(url, other), tmp_path, refused=True)


@asvs("12.3.2")
def test_a_certificate_for_another_name_is_refused(
    make_app: Callable[..., Flask], server: Server, url: URL, tmp_path: Path
) -> None:
    authority = server.directory / "tls" / "ca.pem"
    other_name = with_authority(url.set(host=ELSEWHERE), authority)
    connect_all(make_app, other_name, tmp_path, refused=True)


@asvs("12.3.1")
def test_users_of_a_remote_service_cannot_connect_without_tls(server: Server, url: URL) -> None:
    plain = url.set(host=server.address, query={})
    arguments = connect_arguments(plain) | {"ssl": None, "ssl_disabled": True}
    with pytest.raises(pymysql.Error, match="Access denied"):
        pymysql.connect(**arguments)


class Plain:
    """A server, or somebody in between, that says it has no TLS; it keeps what it hears."""

    def __init__(self) -> None:
        self.heard = b""
        self.listener = socket.create_server((socket.gethostbyname(HOST), 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self) -> None:
        # Protocol 10 and all capabilities but CLIENT_SSL (0x0800).
        low, high = 0xF7FF, 0x81FF
        greeting = (
            b"\x0a8.4.0\0" + struct.pack("<I", 1) + b"saltsalt\0" + struct.pack("<HBHH", low, 45, 2, high)
            + b"\x15" + bytes(10) + b"saltsaltsalt\0" + b"mysql_native_password\0"
        )  # fmt: skip
        with suppress(OSError):  # the listener was shut down
            while True:
                client, _ = self.listener.accept()
                with client, suppress(OSError):
                    client.settimeout(5)
                    client.sendall(struct.pack("<I", len(greeting)) + greeting)
                    self.heard += client.recv(1000)


@contextmanager
def plain_server() -> Iterator[Plain]:
    server = Plain()
    yield server
    with closing(server.listener):
        server.listener.shutdown(socket.SHUT_RDWR)
    server.thread.join(10)


@asvs("12.3.1")
def test_nothing_is_sent_to_a_server_without_tls(
    make_app: Callable[..., Flask], server: Server, url: URL, tmp_path: Path
) -> None:
    authority = server.directory / "tls" / "ca.pem"
    with plain_server() as plain:
        there = with_authority(url.set(port=plain.port), authority)
        connect_all(make_app, there, tmp_path, refused=True)
        connect_all(make_app, there.set(query={}), tmp_path, refused=True)
    assert plain.heard == b""
