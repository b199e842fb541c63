"""A certificate by ACME: Pebble issues and renews it with certbot, and Nginx serves it.

The tests of each deployment test how the certificate gets from certbot's folder to Nginx.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.conftest import Service, program, serving
from tests.live.pebble import Pebble, pebble
from tests.live.test_tls import analyse
from tests.template import run

pytestmark = pytest.mark.tls


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service of this module, because its tests replace the certificate."""
    with serving(tmp_path_factory.mktemp("acme"), auth="session") as service:
        yield service


@pytest.fixture(scope="module")
def authority(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pebble]:
    with pebble(tmp_path_factory.mktemp("authority") / "pebble", service.http_port) as authority:
        yield authority


class Certbot:
    """The command line of certbot, with separate folders."""

    def __init__(self, authority: Pebble, folder: Path) -> None:
        self.authority = authority
        self.folders = [f"--{name}-dir={folder / name}" for name in ("config", "work", "logs")]
        self.live = folder / "config" / "live"

    def __call__(self, *arguments: str) -> tuple[int, str]:
        result = run(
            *(program("certbot"), *arguments, "--non-interactive", *self.folders),
            env=os.environ | {"REQUESTS_CA_BUNDLE": str(self.authority.ca)},
        )
        return result.returncode, result.stdout

    def issue(self, service: Service, webroot: Path) -> tuple[int, str]:
        return self(
            *("certonly", "--webroot", f"--webroot-path={webroot}", "--key-type=ecdsa"),
            *("--agree-tos", "--register-unsafely-without-email", "--domain", service.domain),
            *("--server", self.authority.url),
        )


@pytest.fixture
def certbot(authority: Pebble, tmp_path: Path) -> Certbot:
    return Certbot(authority, tmp_path / "certbot")


def install(certbot: Certbot, service: Service) -> None:
    """Copy the certificate to Nginx's folder, and reload Nginx."""
    for name in ("fullchain.pem", "privkey.pem"):
        shutil.copy(certbot.live / service.domain / name, Path(service.directory, "tls", name))
    pid = int(Path(service.directory, "nginx.pid").read_text("utf-8"))
    os.kill(pid, signal.SIGHUP)


def serial(service: Service, root: str) -> str:
    """The serial number of the served certificate, verified with the root of Pebble."""
    context = ssl.create_default_context(cadata=root)
    with (
        socket.create_connection((service.address, service.https_port), 10) as plain,
        context.wrap_socket(plain, server_hostname=service.domain) as secure,
    ):
        return str((secure.getpeercert() or {})["serialNumber"])


def wait_for_another(service: Service, root: str, known: str = "") -> str:
    deadline = time.monotonic() + 20
    while True:
        try:
            if (found := serial(service, root)) != known:
                return found
        except ssl.SSLCertVerificationError:
            pass  # the old one, of another authority
        assert time.monotonic() < deadline, "Nginx does not serve the new certificate"
        time.sleep(0.1)


def test_a_certificate_is_issued_and_renewed(
    service: Service, authority: Pebble, certbot: Certbot, tools: Path, tmp_path: Path
) -> None:
    status, said = certbot.issue(service, Path(service.directory, "acme"))
    assert status == 0, said
    root = authority.root()
    install(certbot, service)
    first = wait_for_another(service, root)
    status, said = certbot("renew", "--no-random-sleep-on-renew")
    assert (status, "not due for renewal" in said) == (0, True), said
    status, said = certbot("renew", "--no-random-sleep-on-renew", "--force-renewal")
    assert status == 0, said
    install(certbot, service)
    assert wait_for_another(service, root, first) != first
    # The whole chain, as Mozilla judges it.
    (tmp_path / "root.pem").write_text(root, "utf-8")
    said = analyse(service, tools, tmp_path / "report.json", ca=str(tmp_path / "root.pem"))
    assert "OK - Compliant" in said, said


def test_a_token_in_another_folder_is_not_found(
    service: Service, certbot: Certbot, tmp_path: Path
) -> None:
    """The authority really requests the token: it issues nothing if Nginx does not serve it."""
    (tmp_path / "elsewhere").mkdir()
    status, said = certbot.issue(service, tmp_path / "elsewhere")
    assert status == 1, said
    assert "404" in said
