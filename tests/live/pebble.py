"""An ACME server on loopback: Pebble, the test server of Let's Encrypt.

Pebble requests the token over HTTP from the service's name, as Let's Encrypt does, but from another
port than 80. Its DNS server resolves every name to 127.0.0.1.
"""

from __future__ import annotations

import json
import os
import shutil
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.live.conftest import program
from tests.template import free_ports, run, up

LIFETIME = 90 * 24 * 3600  # seconds of a certificate; pebble's own default is five years


@dataclass(frozen=True)
class Pebble:
    """Its URLs, and the authority ``ca`` of its own certificate (not of those that it issues)."""

    url: str
    ca: Path
    management: str

    def root(self) -> str:
        """The root of the certificates that Pebble issues, in PEM."""
        context = ssl.create_default_context(cafile=str(self.ca))
        with urllib.request.urlopen(f"{self.management}/roots/0", context=context) as answer:  # noqa: S310
            text: str = answer.read().decode()
            return text


@contextmanager
def pebble(folder: Path, http_port: int) -> Iterator[Pebble]:
    """Run Pebble until the block ends.

    :param http_port: the port on which the service answers plain HTTP.
    """
    if not shutil.which("pebble"):
        pytest.skip("needs pebble, which Debian 13 has (apt-get install pebble)")
    folder.mkdir()
    certificate = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt"]
    certificate += ["ec_paramgen_curve:prime256v1", "-noenc", "-days", "2", "-subj", "/CN=pebble"]
    certificate += ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    made = run(*certificate, "-keyout", "pebble.key", "-out", "pebble.pem", cwd=folder)
    assert made.returncode == 0, made.stdout
    acme, management, dns, dns_management = free_ports(4)
    settings = {
        "listenAddress": f"127.0.0.1:{acme}",
        "managementListenAddress": f"127.0.0.1:{management}",
        "certificate": "pebble.pem",
        "privateKey": "pebble.key",
        "httpPort": http_port,
        "tlsPort": 1,
        "ocspResponderURL": "",
        "externalAccountBindingRequired": False,
        "certificateValidityPeriod": LIFETIME,
    }
    (folder / "pebble.json").write_text(json.dumps({"pebble": settings}), "utf-8")
    names = [program("pebble-challtestsrv"), "-dns01", f"127.0.0.1:{dns}", "-defaultIPv6", ""]
    names += ["-management", f"127.0.0.1:{dns_management}"]
    names += ["-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", ""]
    server = [program("pebble"), "-config", "pebble.json", "-dnsserver", f"127.0.0.1:{dns}"]
    with ExitStack() as stack:
        stack.enter_context(_running(folder, names, dns_management))
        stack.enter_context(_running(folder, server, acme))
        yield Pebble(
            f"https://localhost:{acme}/dir",
            folder / "pebble.pem",
            f"https://localhost:{management}",
        )


@contextmanager
def _running(folder: Path, command: list[str], port: int) -> Iterator[None]:
    log = folder / f"{Path(command[0]).name}.log"
    quick = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"}
    with log.open("w") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=os.environ | quick, stdout=output, stderr=output
        )
        try:
            deadline = time.monotonic() + 20
            while not up(port):
                assert process.poll() is None, log.read_text("utf-8")
                assert time.monotonic() < deadline, log.read_text("utf-8")
                time.sleep(0.05)
            yield
        finally:
            process.terminate()
            process.wait(10)
