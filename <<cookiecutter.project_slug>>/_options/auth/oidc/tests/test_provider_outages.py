"""The provider is down, slow, broken, or has new keys: users soon get a clear page."""

from __future__ import annotations

import json
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from joserfc.jwk import ECKey, RSAKey
from requests import ConnectionError as NoConnection
from requests import PreparedRequest, Response, Session

from app.auth import outbound, provider
from app.auth.outbound import TOTAL, Client
from tests.browser import Browser, html
from tests.live import make_certificates
from tests.marks import asvs, practice
from tests.real_provider import LOOPBACK, real_provider
from tests.stub import ISSUER, METADATA, Stub, answer

# The app remembers what the provider said: each of these tests begins with one that asked nothing.
pytestmark = [practice("auth.identity_provider"), pytest.mark.usefixtures("own_app")]

Send = Callable[[PreparedRequest], Response]
METADATA_PATH, KEYS_PATH, TOKEN_PATH = "/.well-known/openid-configuration", "/keys", "/token"


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Stub:
    """A provider of this test alone, with a key of its own."""
    stub = Stub()
    monkeypatch.setattr("tests.browser.STUB", stub)
    return stub


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let time pass, for what the service knows of its provider."""
    passed = [0.0]
    monotonic = time.monotonic
    monkeypatch.setattr(provider.time, "monotonic", lambda: monotonic() + passed[0])
    return lambda seconds: passed.__setitem__(0, passed[0] + seconds)


def unavailable(response: Any) -> None:
    assert response.status_code == 503
    assert "does not respond" in html(response).css_first(".lead").text()
    assert int(response.headers["Retry-After"]) > 0
    assert "id.service.test" not in html(response).css_first("main").text()


def start(visitor: Browser) -> Any:
    return visitor.submit("/auth/login", {})


def broken(path: str, stub: Stub, monkeypatch: pytest.MonkeyPatch, how: Send) -> None:
    """Let the provider answer otherwise at one place."""
    send = stub.send

    def sometimes(request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        return how(request) if urlsplit(str(request.url)).path == path else send(request)

    monkeypatch.setattr(stub, "send", sometimes)


def fail(request: PreparedRequest) -> Response:
    raise NoConnection("refused")


def redirected(request: PreparedRequest) -> Response:
    response = answer(request, 302, "")
    response.headers["Location"] = "http://169.254.169.254/latest/meta-data/"
    return response


ANSWERS: dict[str, Send] = {
    "no connection": fail,
    "500": lambda request: answer(request, 500, "{}"),
    "503": lambda request: answer(request, 503, "busy"),
    "404": lambda request: answer(request, 404, "nothing here"),
    "429": lambda request: answer(request, 429, "{}"),
    "a redirect": redirected,
    "no JSON": lambda request: answer(request, 200, "<html>maintenance</html>"),
    "no object": lambda request: answer(request, 200, "[]"),
    "null": lambda request: answer(request, 200, "null"),
    "nothing": lambda request: answer(request, 200, ""),
    "too much": lambda request: answer(request, 200, '"' + "x" * 300_000 + '"'),
    "deep": lambda request: answer(request, 200, "[" * 100_000),
}


@asvs("15.3.2", "16.5.2")
@pytest.mark.parametrize("how", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize("path", [METADATA_PATH, KEYS_PATH, TOKEN_PATH])
def test_a_broken_provider_is_a_503_and_it_recovers(
    app: Flask,
    stub: Stub,
    later: Callable[[float], None],
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    how: Send,
) -> None:
    visitor = Browser(app)
    with monkeypatch.context() as patch:
        broken(path, stub, patch, how)
        response = start(visitor)
        if path != METADATA_PATH:
            response = visitor.get(stub.authorize(response.headers["Location"], "a@example.com"))
        unavailable(response)
        assert visitor.get("/").status_code == 200
        assert visitor.get("/readyz").status_code == 200  # others may be signed in
    later(provider.PAUSE)
    assert visitor.register("a@example.com").status_code == 302
    assert visitor.is_signed_in()


@asvs("10.5.3", "12.3.1")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("issuer", "https://evil.example"),
        ("issuer", f"{ISSUER}/"),
        ("issuer", None),
        ("authorization_endpoint", None),
        ("authorization_endpoint", "http://id.service.test/authorize"),
        ("authorization_endpoint", "javascript:alert(1)"),
        ("token_endpoint", "http://id.service.test/token"),
        ("token_endpoint", 7),
        ("jwks_uri", "file:///etc/passwd"),
        ("end_session_endpoint", "http://id.service.test/logout"),
        ("userinfo_endpoint", "//evil.example"),
    ],
)
def test_wrong_provider_metadata_is_refused(
    app: Flask, stub: Stub, monkeypatch: pytest.MonkeyPatch, name: str, value: object
) -> None:
    """Mix-up, and endpoints that would take the code and the secret elsewhere."""
    other = json.dumps({**METADATA, name: value})
    broken(METADATA_PATH, stub, monkeypatch, lambda request: answer(request, 200, other))
    unavailable(start(Browser(app)))


def test_too_large_provider_metadata_is_refused(
    app: Flask, stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it is right, but it would fill the memory."""
    long = json.dumps({**METADATA, "padding": "x" * outbound.MAX_BYTES})
    broken(METADATA_PATH, stub, monkeypatch, lambda request: answer(request, 200, long))
    unavailable(start(Browser(app)))


@pytest.mark.parametrize(
    "keys",
    [{}, {"keys": []}, {"keys": None}, {"keys": ["x"]}, {"keys": [{"kty": "RSA"}]}],
    ids=str,
)
def test_keys_that_cannot_be_read(
    app: Flask, stub: Stub, monkeypatch: pytest.MonkeyPatch, keys: object
) -> None:
    broken(KEYS_PATH, stub, monkeypatch, lambda request: answer(request, 200, json.dumps(keys)))
    unavailable(Browser(app).register("a@example.com"))


@pytest.mark.parametrize(
    ("error", "status"), [("invalid_grant", 401), ("invalid_client", 503), ("unknown", 503)]
)
def test_an_error_of_the_token_endpoint_is_handled(
    app: Flask, stub: Stub, monkeypatch: pytest.MonkeyPatch, error: str, status: int
) -> None:
    refusal = json.dumps({"error": error, "error_description": "canary"})
    broken(TOKEN_PATH, stub, monkeypatch, lambda request: answer(request, 400, refusal))
    response = Browser(app).register("a@example.com")
    assert response.status_code == status
    assert "canary" not in response.text


@asvs("16.5.2")
def test_an_outage_of_the_provider_keeps_sessions(
    stub: Stub, alice: Browser, monkeypatch: pytest.MonkeyPatch, later: Callable[[float], None]
) -> None:
    """And can sign out: here at least."""
    broken(METADATA_PATH, stub, monkeypatch, fail)
    later(provider.KEEP + 1)
    assert alice.get(alice.write()).status_code == 200
    assert alice.sign_out().headers["Location"] == "/"
    assert not alice.is_signed_in()


@asvs("16.5.2")
def test_an_outage_is_remembered_between_requests(
    app: Flask, stub: Stub, monkeypatch: pytest.MonkeyPatch, later: Callable[[float], None]
) -> None:
    """Each try may take seconds, and there are few threads."""
    tries = []

    def count(request: PreparedRequest) -> Response:
        tries.append(request.url)
        return fail(request)

    broken(METADATA_PATH, stub, monkeypatch, count)
    for _ in range(5):
        unavailable(start(Browser(app)))
    assert len(tries) == 1
    later(provider.PAUSE)
    unavailable(start(Browser(app)))
    assert len(tries) == 2


# --- Keys


def test_rotated_keys_are_found(app: Flask, stub: Stub, later: Callable[[float], None]) -> None:
    assert Browser(app).register("a@example.com").status_code == 302
    stub.key = ECKey.generate_key("P-256", auto_kid=True)
    later(provider.REFRESH + 1)
    assert Browser(app).register("b@example.com").status_code == 302


def test_keys_that_were_rotated_under_the_same_name(
    app: Flask, stub: Stub, later: Callable[[float], None]
) -> None:
    assert Browser(app).register("a@example.com").status_code == 302
    stub.key = ECKey.generate_key("P-256", {"kid": stub.key.kid})
    later(provider.REFRESH + 1)
    assert Browser(app).register("b@example.com").status_code == 302


@asvs("6.8.2")
def test_a_wrong_key_is_a_401_and_keys_are_not_fetched_each_time(
    app: Flask, stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched, published = [], json.dumps({"keys": [stub.key.as_dict(private=False)]})

    def count(request: PreparedRequest) -> Response:
        fetched.append(request.url)
        return answer(request, 200, published)

    broken(KEYS_PATH, stub, monkeypatch, count)
    stub.key = ECKey.generate_key("P-256", auto_kid=True)
    for number in range(5):
        visitor = Browser(app, f"192.0.2.{number}")
        assert visitor.register("a@example.com").status_code == 401
        assert not visitor.is_signed_in()
    assert len(fetched) == 1


@asvs("6.8.2")
def test_a_withdrawn_key_is_forgotten(
    app: Flask, stub: Stub, later: Callable[[float], None]
) -> None:
    """It was stolen at the provider. Tokens signed with it end with the next look."""
    assert Browser(app).register("a@example.com").status_code == 302
    stolen, stub.key = stub.key, ECKey.generate_key("P-256", auto_kid=True)
    later(provider.KEEP + 1)
    assert Browser(app).register("b@example.com").status_code == 302
    stub.sign = lambda **claims: Stub.sign(other, **claims)  # type: ignore[method-assign]
    other = Stub()
    other.key = stolen
    assert Browser(app).register("c@example.com").status_code == 401


@asvs("9.1.3")
def test_keys_for_other_purposes_are_not_accepted(
    app: Flask, stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = {"keys": [{**stub.key.as_dict(private=False), "use": "enc"}]}
    body = json.dumps(published)
    broken(KEYS_PATH, stub, monkeypatch, lambda request: answer(request, 200, body))
    unavailable(Browser(app).register("a@example.com"))


# --- Time: real sockets, real seconds


@contextmanager
def listening(serve: Callable[[socket.socket], None], tls: Path | None) -> Iterator[int]:
    """A server on loopback that treats each connection as it likes, until the block ends."""
    over = threading.Event()
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(0.2)

    def loop() -> None:
        context = None
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls / "fullchain.pem", tls / "privkey.pem")
        while not over.is_set():
            with suppress(OSError):
                connection, _ = server.accept()
                with connection:
                    connection.settimeout(20)
                    if context is None:
                        serve(connection)
                        continue
                    with context.wrap_socket(connection, server_side=True) as secure:
                        serve(secure)

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield server.getsockname()[1]
    finally:
        over.set()
        thread.join(30)
        server.close()


def silent(connection: socket.socket) -> None:
    while connection.recv(4096):  # until the client gives up
        pass


def byte_by_byte(head: bytes) -> Callable[[socket.socket], None]:
    def serve(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(head)
        for _ in range(40):
            connection.sendall(b" ")
            time.sleep(0.3)

    return serve


PATIENCE = 10  # seconds: TOTAL on a busy machine; what is not given up takes 12 and more
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
SLOW = {
    "no TLS handshake": (silent, False),
    "no answer": (silent, True),
    "headers byte by byte": (byte_by_byte(HEAD + b"X-Padding:"), True),
    "body byte by byte": (byte_by_byte(HEAD + b"Content-Length: 5000\r\n\r\n"), True),
    "body without an end": (byte_by_byte(HEAD + b"\r\n{"), True),
}


@asvs("16.5.2")
@pytest.mark.parametrize(("serve", "tls"), SLOW.values(), ids=SLOW)
def test_requests_to_a_slow_provider_time_out(
    app: Flask,
    make_app: Callable[..., Flask],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    serve: Callable[[socket.socket], None],
    tls: bool,
) -> None:
    monkeypatch.setattr(Client, "get_adapter", Session.get_adapter)
    ca = make_certificates(tmp_path / "tls", "DNS:localhost")
    with listening(serve, ca.parent if tls else None) as port:
        issuer = {"OIDC_ISSUER": f"https://localhost:{port}", "OIDC_CA_FILE": str(ca)}
        visitor = Browser(make_app(**issuer, OIDC_PRIVATE_NETWORKS=LOOPBACK))
        began = time.monotonic()
        unavailable(start(visitor))
        assert time.monotonic() - began < PATIENCE


@asvs("16.5.2")
def test_a_slow_name_lookup_times_out(
    app: Flask, make_app: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No time limit of a socket covers it."""
    monkeypatch.setattr(Client, "get_adapter", Session.get_adapter)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: time.sleep(12) or [])
    visitor = Browser(make_app())
    began = time.monotonic()
    unavailable(start(visitor))
    assert time.monotonic() - began < PATIENCE
    assert TOTAL < 5


def test_all_waiting_threads_time_out(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four sign-ins hang; the fifth waits for a thread, but no longer than they."""
    release = threading.Event()
    for _ in range(4):
        outbound.WAITING.submit(release.wait, 20)
    try:
        began = time.monotonic()
        unavailable(start(Browser(app)))
        assert time.monotonic() - began < PATIENCE
    finally:
        release.set()


def test_a_real_provider_comes_back_with_other_keys(
    app: Flask,
    make_app: Callable[..., Flask],
    monkeypatch: pytest.MonkeyPatch,
    later: Callable[[float], None],
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(Client, "get_adapter", Session.get_adapter)
    with real_provider(tmp_path) as first:
        service = make_app(**first.settings())
        visitor = Browser(service)
        answer = first.person().authorize(visitor.start())
        assert visitor.get(answer).status_code == 302
        pending = Browser(service)
        answer = first.person().authorize(pending.start())
    unavailable(pending.get(answer))
    port = int(re.sub(r"\D", "", first.issuer))
    later(provider.REFRESH + 1)
    key = RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256"}, auto_kid=True)
    with real_provider(tmp_path, port=port, key=key) as second:
        visitor = Browser(service)
        answer = second.person().authorize(visitor.start(), "bob")
        assert visitor.get(answer).status_code == 302
        assert visitor.is_signed_in()


@asvs("12.3.2")
def test_a_certificate_of_another_authority_is_not_trusted(
    app: Flask, make_app: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Somebody stands in for the provider on the network."""
    monkeypatch.setattr(Client, "get_adapter", Session.get_adapter)
    with real_provider(tmp_path / "provider") as provider:
        other = make_certificates(tmp_path / "other", "DNS:localhost")
        unavailable(start(Browser(make_app(**provider.settings() | {"OIDC_CA_FILE": str(other)}))))
        unavailable(start(Browser(make_app(**provider.settings() | {"OIDC_CA_FILE": None}))))
