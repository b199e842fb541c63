"""Forwarders: they connect to no private address that the provider names, such as this host.

``forwarder.py`` runs as systemd runs it, with a listening socket as its descriptor 3;
``outside.py`` and ``open_forwarders`` run as ``install.sh`` calls them. The provider is at
127.0.0.2, which is allowed.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer

import pytest

from tests.marks import asvs, practice

# The attacks use the same servers as those on a service without forwarders.
from tests.test_provider_addresses import (
    LOOPBACK_NAMES,
    ONE_ADDRESS,
    PROVIDER,
    certificate,
    describe,
    inside,
    provider,
)

__all__ = ["certificate", "inside", "provider"]

pytestmark = practice("auth.identity_provider")

FOLDER = Path("deploy/systemd").resolve()
ENDS = 10  # seconds; far more than any of it takes
HAND_OVER = "import os, sys; os.dup2(int(sys.argv[1]), 3); os.execv(sys.argv[2], sys.argv[2:])"


@pytest.fixture
def echo() -> Iterator[int]:
    """A server at 127.0.0.2 that says in capitals what it was told, when all is told: its port."""

    class Echo(StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(self.rfile.read().upper())

    with ThreadingTCPServer((PROVIDER, 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join(ENDS)


@contextmanager
def forwarder(server: str, **settings: str) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """Run a forwarder to ``host:port``: the port that it listens on, and its process."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        number = listening.fileno()
        started = [sys.executable, str(FOLDER / "forwarder.py"), server]
        process = subprocess.Popen(
            [sys.executable, "-c", HAND_OVER, str(number), *started],
            pass_fds=[number],
            env=settings,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield listening.getsockname()[1], process
        finally:
            process.terminate()
            process.wait(ENDS)
            if process.stderr:
                process.stderr.close()


def ask(port: int, text: bytes = b"hello") -> bytes:
    """The answer through the forwarder."""
    with socket.create_connection(("127.0.0.1", port), ENDS) as client:
        client.settimeout(ENDS)
        try:
            client.sendall(text)
            client.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: client.recv(65536), b""))
        except ConnectionError:
            return b""


def test_the_forwarder_passes_on_all_bytes(echo: int) -> None:
    with forwarder(f"{PROVIDER}:{echo}", **ONE_ADDRESS) as (port, _):
        assert ask(port) == b"HELLO"
        assert ask(port, b"a" * 10**6) == b"A" * 10**6


@asvs("13.2.4")
@pytest.mark.parametrize("name", [name for name in LOOPBACK_NAMES.split() if ":" not in name])
def test_the_forwarder_refuses_private_addresses(inside: tuple[int, list[str]], name: str) -> None:
    server, callers = inside
    with forwarder(f"{name}:{server}", **ONE_ADDRESS) as (port, process):
        assert ask(port) == b""
        process.terminate()
        assert "is not public" in process.communicate(timeout=ENDS)[1]
    assert callers == []


def test_open_connections_finish_when_the_forwarder_stops(echo: int) -> None:
    """An update ends it, and loses no sign-in."""
    with forwarder(f"{PROVIDER}:{echo}", **ONE_ADDRESS) as (port, process):
        with socket.create_connection(("127.0.0.1", port), ENDS) as client:
            client.sendall(b"one")
            assert ask(port) == b"HELLO"  # so it has begun, and passes on several at once
            process.send_signal(signal.SIGTERM)
            client.sendall(b" two")
            client.shutdown(socket.SHUT_WR)
            assert client.recv(100) == b"ONE TWO"
        assert process.wait(ENDS) == 0


# --- Which forwarders there are


def servers(issuer: str, certificate: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """What ``outside.py provider`` prints for the settings."""
    values = {"OIDC_ISSUER": issuer, "OIDC_CA_FILE": str(certificate / "ca.pem"), **settings}
    command = [sys.executable, str(FOLDER / "outside.py"), "provider"]
    return subprocess.run(
        command, env=os.environ | values, capture_output=True, text=True, timeout=60, check=False
    )


Provider = tuple[int, dict[str, str]]


def test_the_provider_and_what_it_names_get_forwarders(
    provider: Provider, certificate: Path
) -> None:
    issuer = describe(provider, jwks_uri="https://127.0.0.3/keys")
    allowed = {"OIDC_PRIVATE_NETWORKS": "127.0.0.2/31"}
    found = servers(issuer, certificate, **allowed)
    assert found.stdout.split() == [f"127.0.0.2:{provider[0]}", "127.0.0.3:443"], found.stderr


HOSTILE = {
    "loopback": "https://127.0.0.1:6379/token",
    "loopback by name": "https://localhost/token",
    "private": "https://10.0.0.1/token",
    "the cloud's metadata": "https://169.254.169.254/token",
    "an address of version 6": "https://[::1]/token",
    "two words": "https://a b/token",
    "a path of systemd's": "https://..%2f..%2fetc/token",
    "every file": "https://*/token",
    "a port that is no number": "https://id.example.com:x/token",
    "nothing": "https:///token",
    "not encrypted": "http://127.0.0.2/token",
}


@asvs("1.3.6", "13.2.4")
@pytest.mark.parametrize("endpoint", HOSTILE.values(), ids=HOSTILE)
def test_a_server_with_a_private_address_gets_no_forwarder(
    provider: Provider, certificate: Path, endpoint: str
) -> None:
    found = servers(describe(provider, token_endpoint=endpoint), certificate, **ONE_ADDRESS)
    assert found.returncode == 1
    assert found.stdout == ""
    assert "Traceback" not in found.stderr


def test_an_invalid_host_name_gets_no_forwarder(provider: Provider, certificate: Path) -> None:
    """It would be the name of units and files, which root makes."""
    allowed = {"OIDC_PRIVATE_NETWORKS": f"{PROVIDER}/32, ::1/128"}
    found = servers(
        describe(provider, token_endpoint="https://[::1]/token"), certificate, **allowed
    )
    assert (found.returncode, found.stdout) == (1, "")


def test_an_issuer_with_a_private_address_gets_no_forwarder(
    inside: tuple[int, list[str]], certificate: Path
) -> None:
    port, callers = inside
    found = servers(f"https://localhost:{port}", certificate, OIDC_PRIVATE_NETWORKS="")
    assert (found.returncode, found.stdout) == (1, "")
    assert "write its network into OIDC_PRIVATE_NETWORKS" in found.stderr
    assert callers == []


OPEN = """
. "$1/common.sh"
. "$1/network.sh"
config=$2/config units=$2/units
systemctl() { say "systemctl $*"; }
mkdir -p "$config" "$units/$slug-outside@.service.d"
for unit in "" -migrate -backup -mail; do mkdir "$units/$slug$unit.service.d"; done
named=$3 forwarders=$4 mail_forwarders=mail.example.com:465
open_forwarders
"""


@asvs("13.2.4")
def test_only_servers_named_by_the_operator_may_be_private(tmp_path: Path) -> None:
    """A forwarder of the provider's keeps the unit's own program, which looks at the address."""
    named, both = "db.example.com:5432", "db.example.com:5432\nid.example.com:443"
    command = ["sh", "-eu", "-c", OPEN, "sh", str(FOLDER), str(tmp_path), named, both]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    units = tmp_path / "units"
    programs = {path.parent.name.partition("@")[2] for path in units.glob("*@*:*/named.conf")}
    assert programs == {"db.example.com:5432.service.d"}
    listening = {
        path.parent.name.partition(".socket")[0] for path in units.glob("*@*:*/listen.conf")
    }
    assert {name.partition("-outside@")[2] for name in listening if "-mail-" not in name} == {
        "db.example.com:5432",
        "id.example.com:443",
    }
    assert {name.partition("@")[2] for name in listening if "-mail-" in name} == {
        "mail.example.com:465"
    }
    assert list(units.glob("*-outside@.service.d"))  # what confines all of them stays
    (unit,) = FOLDER.glob("app-outside@.service")
    started = [line for line in unit.read_text().splitlines() if line.startswith("ExecStart=")]
    assert len(started) == 1
    assert started[0].endswith("/deploy/systemd/forwarder.py %i")


def test_the_service_may_use_its_forwarders_and_nothing_else() -> None:
    unit = (FOLDER / "app.service").read_text()
    assert "\nExecStart=/usr/bin/env OIDC_PRIVATE_NETWORKS=127.0.0.0/8 " in unit
    assert "\nPrivateNetwork=yes\n" in unit
