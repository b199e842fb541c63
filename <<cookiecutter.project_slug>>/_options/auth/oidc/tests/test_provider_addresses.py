"""The provider's description names a server inside the network, and this service would connect.

Real servers on loopback: the provider is at 127.0.0.2, which is allowed; what it names is not.
Addresses of other networks are only looked at, never connected to.
"""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from requests import Session

from app.auth import identity_provider
from app.auth.outbound import Client
from app.outbound_addresses import RefusedAddressError, is_permitted, networks, permitted
from tests.browser import Browser
from tests.live import make_certificates
from tests.marks import asvs, practice
from tests.stub import METADATA
from tests.test_provider_logout import send
from tests.test_replays import answered, started

pytestmark = practice("auth.identity_provider")

PROVIDER = "127.0.0.2"
ONE_ADDRESS = {"OIDC_PRIVATE_NETWORKS": f"{PROVIDER}/32"}

# --- Which addresses

PRIVATE = """
127.0.0.1 127.8.8.8 ::1 10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 169.254.169.254 fe80::1
fd00:ec2::254 fc00::1 fec0::1 0.0.0.0 0.1.2.3 :: 100.64.0.1 192.0.0.1 192.0.2.1 198.18.0.1
198.51.100.1 203.0.113.1 224.0.0.1 240.0.0.1 255.255.255.255 ff02::1 2001:db8::1
::ffff:127.0.0.1 ::ffff:169.254.169.254 ::127.0.0.1 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe
64:ff9b:1::808:808 2002:7f00:1::1 2002:808:808::1 2001:0:808:808::1 3fff::1 fe80::1%1
""".split()
PUBLIC = "8.8.8.8 2606:4700::1111 ::ffff:8.8.8.8 64:ff9b::808:808".split()


@asvs("1.3.6", "13.2.4")
@pytest.mark.parametrize("address", PRIVATE)
def test_a_private_address_is_refused(address: str) -> None:
    assert not is_permitted(address, ())


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_the_internet_is_permitted(address: str) -> None:
    assert is_permitted(address, ())


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::a01:203", "fd00::1"])
def test_a_network_can_be_allowed(address: str) -> None:
    assert is_permitted(address, networks("10.1.2.0/24, fd00::/64"))
    assert not is_permitted(address, networks("10.1.3.0/24 fd00:1::/64"))


LOOPBACK_NAMES = "localhost 127.0.0.1 127.1 0x7f000001 2130706433 0177.0.0.1 ::1 0 ::ffff:127.0.0.1"


@pytest.mark.parametrize("name", LOOPBACK_NAMES.split())
def test_the_resolved_address_of_a_name_is_checked(name: str) -> None:
    with pytest.raises(RefusedAddressError, match="OIDC_PRIVATE_NETWORKS"):
        permitted(name, 443, ())


@asvs("15.2.2")
def test_few_addresses_of_one_name_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes seconds where nobody listens: a hundred would block the service."""
    many = [f"8.8.4.{number}" for number in range(100)]
    resolve(monkeypatch, many)
    assert permitted("id.test", 443, ()) == many[:4]


@pytest.mark.parametrize("name", ["", ".", "a..b", "x" * 64, "a\0b", "does-not-exist.invalid"])
def test_an_invalid_host_name_is_a_handled_error(name: str) -> None:
    with pytest.raises((OSError, ValueError)):
        permitted(name, 443, ())


@asvs("13.2.4")
@pytest.mark.parametrize("text", ["10.0.0.1/8", "10.0.0.0/33", "localhost", "*"])
def test_an_invalid_network_setting_is_an_error(make_app: Callable[..., Flask], text: str) -> None:
    with pytest.raises(Exception, match="OIDC_PRIVATE_NETWORKS") as refused:
        make_app(OIDC_PRIVATE_NETWORKS=text)
    assert "write networks such as" in str(refused.value)


def test_the_default_is_no_network_but_in_development(make_app: Callable[..., Flask]) -> None:
    assert make_app().config["SETTINGS"].oidc.private_networks == ()
    allowed = make_app(APP_ENV="development").config["SETTINGS"].oidc.private_networks
    assert [str(network) for network in allowed] == ["127.0.0.0/8", "::1/128"]


def test_start_up_notices_that_every_address_is_allowed(make_app: Callable[..., Flask]) -> None:
    for everything in ("0.0.0.0/0", "10.0.0.0/8, ::/0"):
        with pytest.raises(Exception, match="OIDC_PRIVATE_NETWORKS allows every address"):
            make_app(OIDC_PRIVATE_NETWORKS=everything)
    assert list(identity_provider.check(make_app(**ONE_ADDRESS))) == []


# --- Who is connected to


@pytest.fixture
def inside() -> Iterator[tuple[int, list[str]]]:
    """A server on every address of this machine: its port, and who connected to it."""
    callers: list[str] = []
    over = threading.Event()
    server = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    server.settimeout(0.1)

    def accept() -> None:
        while not over.is_set():
            try:
                connection, caller = server.accept()
            except TimeoutError:
                continue
            callers.append(str(caller[0]))
            connection.close()

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield server.getsockname()[1], callers
    finally:
        over.set()
        thread.join(10)
        server.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of an authority that the service trusts, for the provider's names; the folder."""
    folder = tmp_path_factory.mktemp("tls")
    make_certificates(folder, f"IP:{PROVIDER}", "DNS:id.test")
    return folder


@pytest.fixture
def provider(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[int, dict[str, str]]]:
    """A provider at 127.0.0.2: its port, and what it answers, by path."""
    monkeypatch.setattr(Client, "get_adapter", Session.get_adapter)
    answers: dict[str, str] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = answers.get(self.path, "{}").encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = HTTPServer((PROVIDER, 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "fullchain.pem", certificate / "privkey.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_port, answers
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


def describe(provider: tuple[int, dict[str, str]], name: str = PROVIDER, **changes: str) -> str:
    """Let the provider describe itself with other addresses; its issuer."""
    port, answers = provider
    issuer = f"https://{name}:{port}"
    own = {key: f"{issuer}/{key}" for key in METADATA if key.endswith(("_endpoint", "_uri"))}
    answers["/.well-known/openid-configuration"] = json.dumps({"issuer": issuer} | own | changes)
    return issuer


@pytest.fixture
def service(
    app: Flask, make_app: Callable[..., Flask], certificate: Path
) -> Callable[..., Browser]:
    """A browser at the service with a provider at that address."""

    def make(issuer: str, **settings: str) -> Browser:
        ca = {"OIDC_CA_FILE": str(certificate / "ca.pem")}
        return Browser(make_app(OIDC_ISSUER=issuer, **ONE_ADDRESS | ca | settings))

    return make


NAMED = ["127.0.0.1", "localhost", "[::1]", "127.1", "2130706433", "[::ffff:127.0.0.1]", "0"]


@asvs("1.3.6", "13.2.4")
@pytest.mark.parametrize("named", NAMED)
def test_a_token_endpoint_with_a_private_address_is_refused(
    named: str,
    provider: tuple[int, dict[str, str]],
    inside: tuple[int, list[str]],
    service: Callable[..., Browser],
    log: Callable[[], list[dict[str, Any]]],
) -> None:
    port, callers = inside
    visitor = service(describe(provider, token_endpoint=f"https://{named}:{port}/token"))
    state, _ = started(visitor)
    issuer = visitor.app.config["SETTINGS"].oidc.issuer
    assert visitor.get(answered(state, iss=issuer)).status_code == 503
    assert callers == []
    assert any("is not public" in str(line.get("reason")) for line in log())


@asvs("1.3.6", "13.2.4")
def test_keys_are_not_fetched_from_a_private_address(
    provider: tuple[int, dict[str, str]],
    inside: tuple[int, list[str]],
    service: Callable[..., Browser],
) -> None:
    port, callers = inside
    visitor = service(describe(provider, jwks_uri=f"https://127.0.0.1:{port}/keys"))
    assert send(visitor.app, "a.b.c") == 503
    assert callers == []


@asvs("13.2.4")
def test_an_issuer_with_a_private_address_is_refused(
    inside: tuple[int, list[str]], service: Callable[..., Browser], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Client, "get_adapter", Session.get_adapter)
    port, callers = inside
    visitor = service(f"https://localhost:{port}")
    assert visitor.submit("/auth/login", {}).status_code == 503
    assert callers == []


def resolve(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> None:
    """What the name server says about ``id.test``: the first time, the second and so on."""
    known, coming = socket.getaddrinfo, list(answers)

    def resolved(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        if host != "id.test":
            return known(host, port, *args, **kwargs)
        addresses = coming.pop(0) if len(coming) > 1 else coming[0]
        return [known(address, port, *args, **kwargs)[0] for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", resolved)


@asvs("1.3.6", "13.2.4")
def test_dns_rebinding_is_refused(
    provider: tuple[int, dict[str, str]],
    service: Callable[..., Browser],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """DNS rebinding: the first answer is looked at, the second would be connected to."""
    resolve(monkeypatch, [PROVIDER], ["127.0.0.1"])
    port, _ = provider
    with socket.create_server(("127.0.0.1", port)) as victim:
        victim.settimeout(0.5)
        visitor = service(describe(provider, "id.test"))
        assert visitor.submit("/auth/login", {}).status_code == 302
        state, _ = started(visitor)
        issuer = visitor.app.config["SETTINGS"].oidc.issuer
        assert visitor.get(answered(state, iss=issuer)).status_code == 503
        with pytest.raises(TimeoutError):
            victim.accept()


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1", PROVIDER], ["127.0.0.3", PROVIDER], ["::1", PROVIDER]]
)
def test_the_next_address_is_tried(
    provider: tuple[int, dict[str, str]],
    service: Callable[..., Browser],
    monkeypatch: pytest.MonkeyPatch,
    addresses: list[str],
) -> None:
    """Of several, one is not permitted, or nobody listens there."""
    resolve(monkeypatch, addresses)
    allowed = {"OIDC_PRIVATE_NETWORKS": f"{PROVIDER}/31"}  # .2 and .3
    visitor = service(describe(provider, "id.test"), **allowed)
    assert visitor.submit("/auth/login", {}).status_code == 302


def test_a_request_is_not_repeated_at_the_next_address(
    inside: tuple[int, list[str]], service: Callable[..., Browser], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A code counts once: a server that read it and closed the connection may have used it."""
    monkeypatch.setattr(Client, "get_adapter", Session.get_adapter)
    resolve(monkeypatch, ["127.0.0.3", PROVIDER])
    port, callers = inside
    visitor = service(f"https://id.test:{port}", OIDC_PRIVATE_NETWORKS=f"{PROVIDER}/31")
    assert visitor.submit("/auth/login", {}).status_code == 503
    assert len(callers) == 1


@asvs("12.3.2")
def test_the_certificate_is_for_the_name_and_not_for_the_address(
    provider: tuple[int, dict[str, str]],
    service: Callable[..., Browser],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The server has a certificate for its address, but not for the provider's name."""
    visitor = service(describe(provider, PROVIDER))
    assert visitor.submit("/auth/login", {}).status_code == 302
    known = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *a, **k: known(PROVIDER if host == "other.test" else host, *a, **k),
    )
    assert service(describe(provider, "other.test")).submit("/auth/login", {}).status_code == 503
