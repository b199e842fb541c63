"""Attacks on the way in: against a started Nginx and gunicorn with the files of ``deploy/``."""

from __future__ import annotations

import json
import re
import runpy
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from app.security import https
from tests import live, needs
from tests.browser import DOMAIN, PAGES, Browser
from tests.live import Answer, Site
from tests.marks import asvs, practice, slow
from tests.security.test_nginx import configured

HSTS = "max-age=63072000; includeSubDomains"
NGINX_HEADERS = {
    "server": "nginx",
    "strict-transport-security": HSTS,
    "content-security-policy": (
        "default-src 'none'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
TRANSPORT = {"date", "connection", "content-length", "transfer-encoding", "x-request-id"}
BODY = 256 * 1024


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The socket of a gunicorn whose application answers what it was given."""
    with live.gunicorn(tmp_path_factory.mktemp("echo"), {}, "tests.live:echo") as path:
        yield path


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory, echo: Path) -> Iterator[Site]:
    """Nginx in front of that application."""
    with live.nginx(tmp_path_factory.mktemp("edge"), echo) as site:
        yield site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Iterator[Site]:
    """Nginx in front of the service."""
    directory = tmp_path_factory.mktemp("site")
    with live.gunicorn(directory, environment) as app, live.nginx(directory, app) as running:
        yield running


def headers(answer: Answer) -> dict[str, str]:
    """All headers but those that differ each time; none was sent twice."""
    names = [name for name, _ in answer.headers]
    assert len(names) == len(set(names)), names
    return {name: value for name, value in answer.headers if name not in TRANSPORT}


def seen_by_app(answer: Answer) -> dict[str, str]:
    """The request's headers as the application got them."""
    pairs = (line.split("=", 1) for line in answer.body.splitlines())
    return {name: value for name, value in pairs if name.startswith("HTTP_")}


def parse(data: bytes) -> Answer:
    """The first response in the bytes."""
    reader, writer = socket.socketpair()
    with reader, writer:
        writer.sendall(data)
        writer.shutdown(socket.SHUT_WR)
        return live.read_answer(reader)


def test_ipv6_is_served_like_ipv4() -> None:
    """The Nginx of these tests has no IPv6, as not every machine has it."""
    text = (live.PROJECT / "deploy/nginx/site.conf").read_text()
    pairs = re.findall(r"\n *listen (.*);\n *listen \[::\]:(.*);", text)
    assert [ipv6 for _, ipv6 in pairs] == [ipv4 for ipv4, _ in pairs]
    assert text.count("listen ") == 2 * len(pairs) > 0


# Plain HTTP


@asvs("3.4.4", "12.2.1")
def test_plain_http_is_redirected_to_the_fixed_name(edge: Site) -> None:
    answer = edge.request("GET", "/account/?before=a%0d%0ab", tls=False)
    assert answer.status == 308
    assert headers(answer) == {
        **{k: v for k, v in NGINX_HEADERS.items() if k != "strict-transport-security"},
        "content-type": "text/html",
        "location": f"https://{DOMAIN}/account/?before=a%0d%0ab",
    }


@asvs("4.1.2")
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_writes_over_plain_http_are_refused_without_redirect(edge: Site, method: str) -> None:
    """A redirect would repeat it over TLS, and nobody would notice that it had been read."""
    answer = edge.request(method, "/auth/login", tls=False)
    assert (answer.status, answer.header("location")) == (403, None)


@asvs("3.7.2")
@pytest.mark.parametrize("target", ["//evil.test/", "http://evil.test/", "/@evil.test"])
def test_a_request_line_cannot_move_the_redirect(edge: Site, target: str) -> None:
    data = edge.raw(
        f"GET {target} HTTP/1.1\r\nHost: {DOMAIN}\r\nConnection: close\r\n\r\n".encode(), tls=False
    )
    if data:  # an absolute URL of another host is closed upon, as any foreign name
        assert str(parse(data).header("location")).startswith(f"https://{DOMAIN}/")


@pytest.mark.parametrize(
    "host", ["evil.test", f"evil.{DOMAIN}", "127.0.0.1", f"{DOMAIN}.evil.test"]
)
def test_plain_http_for_another_host_gets_no_answer(edge: Site, host: str) -> None:
    assert edge.raw(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode(), tls=False) == b""


def test_the_certificate_authority_finds_its_token(edge: Site) -> None:
    token = edge.directory / "acme/.well-known/acme-challenge/token"
    token.parent.mkdir(parents=True)
    token.write_text("the-answer")
    answer = edge.request("GET", "/.well-known/acme-challenge/token", tls=False)
    assert (answer.status, answer.body) == (200, "the-answer")
    assert answer.header("content-type") == "text/plain"
    for path in ("", "other", "../../nginx.pid", "%2e%2e/%2e%2e/nginx.pid", "..%2f..%2fnginx.pid"):
        missing = edge.request("GET", f"/.well-known/acme-challenge/{path}", tls=False)
        assert missing.status in (308, 403, 404), path
        assert "token" not in missing.body


# TLS


def handshake(site: Site, context: ssl.SSLContext, **kwargs: Any) -> str:
    """The alert with which the server refuses, or what was agreed."""
    try:
        with site.connect(tls=context, **kwargs) as connected:
            assert isinstance(connected, ssl.SSLSocket)
            return str(connected.version())
    except ssl.SSLError as error:
        return str(error.reason)


@asvs("12.1.1")
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize(
    ("version", "outcome"),
    [
        (ssl.TLSVersion.TLSv1, "TLSV1_ALERT_PROTOCOL_VERSION"),
        (ssl.TLSVersion.TLSv1_1, "TLSV1_ALERT_PROTOCOL_VERSION"),
        (ssl.TLSVersion.TLSv1_2, "TLSv1.2"),
        (ssl.TLSVersion.TLSv1_3, "TLSv1.3"),
    ],
)
def test_protocols(edge: Site, version: ssl.TLSVersion, outcome: str) -> None:
    context = edge.tls()
    context.set_ciphers("ALL:@SECLEVEL=0")  # so that the client would
    context.minimum_version = context.maximum_version = version
    assert handshake(edge, context) == outcome


@asvs("12.1.2")
@pytest.mark.parametrize(
    "ciphers", ["AES128-SHA", "AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-SHA256"]
)
def test_ciphers_without_forward_secrecy_or_authentication_are_refused(
    edge: Site, ciphers: str
) -> None:
    context = edge.tls()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(f"{ciphers}:@SECLEVEL=0")
    assert handshake(edge, context) in (
        "SSLV3_ALERT_HANDSHAKE_FAILURE",
        "SSL/TLS_ALERT_HANDSHAKE_FAILURE",
    )


@asvs("11.6.2")
def test_the_key_exchange_withstands_a_quantum_computer(edge: Site) -> None:
    needs.group("X25519MLKEM768")  # without it Nginx falls back to X25519
    command = ["openssl", "s_client", "-connect", f"{edge.address}:{edge.https_port}"]
    command += ["-servername", DOMAIN, "-CAfile", str(edge.ca), "-verify_return_error"]
    shown = subprocess.run(command, input=b"", capture_output=True, timeout=live.ANSWER_TIMEOUT)
    assert b"Negotiated TLS1.3 group: X25519MLKEM768" in shown.stdout, shown.stderr


@pytest.mark.parametrize("name", [f"evil.{DOMAIN}", "evil.test", "127.0.0.1", None])
def test_an_unknown_name_sees_no_certificate(edge: Site, name: str | None) -> None:
    context = edge.tls()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"),
        socket.create_connection((edge.address, edge.https_port), live.ANSWER_TIMEOUT) as plain,
        context.wrap_socket(plain, server_hostname=name),
    ):
        pass


def test_browsers_get_http_2(edge: Site) -> None:
    context = edge.tls()
    context.set_alpn_protocols(["h2", "http/1.1"])
    with edge.connect(tls=context) as connected:
        assert isinstance(connected, ssl.SSLSocket)
        assert connected.selected_alpn_protocol() == "h2"


@asvs("11.2.3", "11.6.2", "12.1.1", "12.1.2")
def test_tls_is_what_mozilla_recommends() -> None:
    """Not all of it can be tried: OpenSSL itself has given up what is older."""
    text = Path("deploy/nginx/tls.conf").read_text()
    settings = [line.removesuffix(";").split(" ", 1) for line in configured(text)]
    ciphers = [
        *("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256"),
        *("ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384"),
        *("ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305"),
    ]
    assert dict(settings) == {
        "ssl_protocols": "TLSv1.2 TLSv1.3",
        "ssl_ecdh_curve": "?X25519MLKEM768:X25519:prime256v1:secp384r1",
        "ssl_ciphers": ":".join(ciphers),
        "ssl_prefer_server_ciphers": "off",
        "ssl_session_timeout": "1d",
        "ssl_session_cache": "shared:sessions:10m",
        "ssl_early_data": "off",
    }


# What Nginx answers


@asvs("3.4.1")
@pytest.mark.parametrize("status", [200, 302, 304, 400, 403, 404, 422, 429, 500, 502, 503])
def test_every_answer_of_the_app_passes_with_hsts_once(edge: Site, status: int) -> None:
    answer = edge.get(f"/status/{status}")
    assert answer.status == status
    assert headers(answer) == {
        "server": "nginx",
        "content-type": "text/plain",
        "strict-transport-security": HSTS,
    }


@asvs("3.4.1")
def test_every_answer_of_the_service_has_hsts_once(site: Site, app: Flask) -> None:
    """Pages, redirects, errors, health checks, and static files where there are any."""
    paths = [path for rule in app.url_map.iter_rules() if "<" not in (path := rule.rule)]
    statuses = set()
    for path in [*paths, "/nothing", "/static/app.css", "/static/../.env", "/.git/config"]:
        answer = site.get(path, accept="text/html")
        assert answer.header("strict-transport-security") == HSTS, path
        assert answer.header("content-security-policy"), path
        assert re.fullmatch("[0-9a-f]{32}", str(answer.header("x-request-id"))), path
        statuses.add(answer.status)
    assert {200, 404} < statuses


def test_nothing_is_compressed(site: Site) -> None:
    """The length of a compressed page would reveal a secret that equals text of the attacker."""
    for path in ("/", "/auth/login", "/nothing", "/.nginx/error.html"):
        answer = site.get(path, accept="text/html", accept_encoding="gzip, deflate, br, zstd")
        assert answer.header("content-encoding") is None, path


@contextmanager
def listening(path: Path, answer: Callable[[socket.socket], None]) -> Iterator[None]:
    """Something in the place of the app, which hands each connection to ``answer``."""

    def serve(listener: socket.socket) -> None:
        with suppress(OSError):  # it was shut down
            while True:
                connected, _ = listener.accept()
                with connected, suppress(OSError):
                    answer(connected)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=serve, args=[listener], daemon=True)
        thread.start()
        yield
        listener.shutdown(socket.SHUT_RDWR)  # wakes the thread
        thread.join(10)


@contextmanager
def nothing_listens(_: Path) -> Iterator[None]:
    """The app was stopped."""
    yield


def breaks_off(path: Path) -> AbstractContextManager[None]:
    """The app dies in the middle of its headers."""

    def answer(connected: socket.socket) -> None:
        connected.recv(4096)
        connected.sendall(b"HTTP/1.1 200 OK\r\nX-Request-ID: of-the-app\r\nX-Secret: 1")

    return listening(path, answer)


def assert_own_error(answer: Answer, status: int, **more: str) -> None:
    """An error page of Nginx: its headers, no others; its text, and nothing about the cause."""
    assert answer.status == status
    assert headers(answer) == {
        **NGINX_HEADERS,
        "content-type": "text/html; charset=utf-8" if PAGES else "application/problem+json",
        **{name.replace("_", "-"): value for name, value in more.items()},
    }
    request_id = str(answer.header("x-request-id"))
    assert re.fullmatch("[0-9a-f]{32}", request_id)
    if PAGES:
        assert f"<p>Error {status}</p>" in answer.body
        assert f"<code>{request_id}</code>" in answer.body
    else:
        problem = json.loads(answer.body)
        assert (problem["status"], problem["request_id"]) == (status, request_id)
    assert not re.search(
        r"nginx|gunicorn|python|debian|app\.sock|<(script|style)", answer.body, re.I
    )


@asvs("3.4.3", "3.4.4", "3.4.5", "13.4.6", "16.5.1")
@pytest.mark.parametrize("upstream", [nothing_listens, breaks_off])
def test_the_error_page_for_a_stopped_app_reveals_nothing(
    tmp_path: Path, upstream: Callable[[Path], AbstractContextManager[None]]
) -> None:
    path = tmp_path / "app.sock"
    with upstream(path), live.nginx(tmp_path, path) as site:
        assert_own_error(site.get("/account/?token=canary"), 502, retry_after="5")
        problem = site.get("/", accept="application/json")
    assert problem.status == 502
    assert headers(problem) == {
        **NGINX_HEADERS,
        "content-type": "application/problem+json",
        "retry-after": "5",
    }
    assert json.loads(problem.body) == {
        "type": "about:blank",
        "title": "Bad gateway",
        "status": 502,
        "detail": "The service does not respond. Please go back and try again shortly.",
        "request_id": problem.header("x-request-id"),
    }


@pytest.mark.parametrize(("method", "times"), [("GET", 2), ("POST", 1), ("PATCH", 1)])
def test_a_write_is_not_sent_to_another_instance(tmp_path: Path, method: str, times: int) -> None:
    """An instance that dies during a write may have stored it already."""
    sockets, received = [tmp_path / "app-1.sock", tmp_path / "app-2.sock"], []

    def receive(connected: socket.socket) -> None:
        received.append(connected.recv(4096))

    with ExitStack() as stack:
        for path in sockets:
            stack.enter_context(listening(path, receive))
        site = stack.enter_context(live.nginx(tmp_path, *sockets))
        answer = site.request(method, "/", body=None if method == "GET" else b"a=b")
    assert answer.status == 502
    assert [request.split()[0].decode() for request in received] == [method] * times


@asvs("13.4.5", "13.4.6", "16.5.1")
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize(
    "path",
    [
        *("/readyz", "/readyz?x", "/readyz#x", "/readyz/", "/readyz/x", "/readyz;x", "/READYZ"),
        *("//readyz", "/./readyz", "/x/../readyz", "/%2freadyz", "/%72eadyz", "/%2572eadyz"),
        *("/readyz%20", "/readyz%0a", "/readyz%3f", "/readyz%2f", "/readyz.", "/%5creadyz"),
        f"https://{DOMAIN}/readyz",
    ],
)
def test_visitors_do_not_learn_whether_the_service_is_ready(
    site: Site, method: str, path: str
) -> None:
    """It says when the rate limits are weaker: when an attack is worth the most."""
    answer = site.request(method, path)
    assert answer.status == 404, answer
    assert not re.search("database|rate_limits|degraded", answer.body)


def test_the_operator_reads_readiness_over_the_socket(site: Site) -> None:
    with live.connect_unix(site.directory / "app.sock") as connection:
        connection.request("GET", "/readyz", headers={"Host": DOMAIN})
        ready = json.loads(live.read_answer(connection.sock).body)
    assert ready.keys() == {"status", "database", "rate_limits", "mail"}
    assert site.get("/healthz").body.strip() == '{"status":"ok"}'


@asvs("3.4.1", "13.4.6", "16.5.1")
@pytest.mark.parametrize(
    ("method", "path", "sent", "status"),
    [
        pytest.param("GET", "/" + "a" * 6200, {}, 414, id="long URL"),
        pytest.param("GET", "/", {"Cookie": "a" * 6200}, 431, id="long header"),
        pytest.param("GET", "/", {f"X-{i}": "a" * 2000 for i in range(20)}, 431, id="many headers"),
        pytest.param("GET", "/", {"Host": "evil.test"}, 421, id="forged host"),
        pytest.param("GET", "/", {"Host": f"{DOMAIN}, evil.test"}, 400, id="two hosts in one"),
        pytest.param("GET", "/", {"Host": f"{DOMAIN}/evil"}, 400, id="path in host"),
        pytest.param("GET", "/.nginx/error.html", {}, 404, id="the page itself"),
        pytest.param("GET", "/../../etc/passwd", {}, 400, id="above the root"),
        pytest.param("GET", "/%00", {}, 400, id="NUL"),
        pytest.param("get", "/", {}, 400, id="method in lower case"),
    ],
)
def test_nginx_refuses(
    edge: Site, method: str, path: str, sent: dict[str, str], status: int
) -> None:
    assert_own_error(edge.request(method, path, headers=sent), status)


@asvs("13.4.6", "16.5.1")
def test_plain_http_on_the_port_of_tls_gets_our_page(edge: Site) -> None:
    source = (edge.address, edge.https_port)
    with socket.create_connection(source, live.ANSWER_TIMEOUT) as connected:
        connected.sendall(f"GET / HTTP/1.1\r\nHost: {DOMAIN}\r\n\r\n".encode())
        answer = live.read_answer(connected)
    assert answer.status == 400
    assert str(answer.header("x-request-id")) in answer.body, "Nginx's own page names Nginx"


@asvs("4.1.4", "13.4.4")
@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "TRACK", "PROPFIND", "X", "A" * 30])
def test_other_methods_are_refused(edge: Site, method: str) -> None:
    assert_own_error(edge.request(method, "/"), 405, allow=METHODS)


# <% if cookiecutter.auth == "oidc" %>
@pytest.mark.parametrize("path", ["/", "/auth/callback", "/auth/logout"])
# <% elif cookiecutter.auth == "session" %>
@pytest.mark.parametrize("path", ["/", "/auth/reset", "/auth/unlock", "/auth/logout"])
# <% else %>
@pytest.mark.parametrize("path", ["/healthz", "/api/v1/auth/reset"])
# <% endif %>
def test_a_refused_method_gets_those_of_the_route(site: Site, app: Flask, path: str) -> None:
    """RFC 9110 section 15.5.6. Nginx does not know them: it must leave the answer to the app."""
    matches = app.url_map.bind(DOMAIN).allowed_methods(path)
    for method in ("PUT", "PATCH", "DELETE"):
        answer = site.request(method, path)
        assert answer.status == 405, answer
        assert {*str(answer.header("allow")).split(", ")} == {*matches}


@asvs("5.2.1")
def test_a_body_ends_at_256_kib(edge: Site) -> None:
    assert f"BODY_LENGTH={BODY}\n" in edge.request("POST", "/", body=b"x" * BODY).body
    assert_own_error(edge.request("POST", "/", body=b"x" * (BODY + 1)), 413)
    chunked = b"POST / HTTP/1.1\r\nHost: %b\r\nTransfer-Encoding: chunked\r\n\r\n" % DOMAIN.encode()
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    assert_own_error(parse(edge.raw(chunked + 5 * chunk)), 413)


@asvs("3.4.1")
def test_what_gunicorn_refuses_has_the_headers_too(edge: Site) -> None:
    """Only a great many small headers get past Nginx and no further."""
    answer = edge.get("/", **{f"X-{i}": "1" for i in range(120)})
    assert answer.status == 431
    assert headers(answer) == {**NGINX_HEADERS, "content-type": "text/html"}


# What reaches the app


FORGED = {
    "X-Forwarded-For": "203.0.113.66",
    "X-Forwarded-Proto": "http",
    "X-Forwarded-Host": "evil.test",
    "X-Forwarded-Port": "1",
    "X-Forwarded-Prefix": "/evil",
    "X-Forwarded-Protocol": "ssl",
    "X-Forwarded-Server": "evil.test",
    "X-Forwarded-Ssl": "off",
    "X-Real-IP": "203.0.113.66",
    "X-Original-URL": "/evil",
    "X-Rewrite-URL": "/evil",
    "X-Request-ID": "forged",
    "Forwarded": "for=203.0.113.66;host=evil.test;proto=http",
    "Proxy": "http://evil.test",
    "Connection": "close, X-Forwarded-For, X-Forwarded-Proto",
    "X_Forwarded_For": "203.0.113.66",
    "X_Request_ID": "forged",
    "SCRIPT_NAME": "/evil",
    "PATH_INFO": "/evil",
}


@asvs("4.1.3", "15.3.4")
def test_forged_headers_do_not_reach_the_app(edge: Site) -> None:
    answer = edge.request("GET", "/", headers=FORGED, source="127.0.0.9")
    assert answer.status == 200
    assert seen_by_app(answer) == {
        "HTTP_CONNECTION": "close",
        "HTTP_HOST": DOMAIN,
        "HTTP_X_FORWARDED_FOR": "127.0.0.9",
        "HTTP_X_FORWARDED_PROTO": "https",
        "HTTP_X_REQUEST_ID": answer.header("x-request-id"),
    }
    assert "PATH_INFO=/\n" in answer.body
    assert "SCRIPT_NAME=\n" in answer.body


@asvs("4.1.3", "15.3.4")
def test_the_host_is_the_one_that_nginx_chose_by(edge: Site) -> None:
    answer = edge.request("GET", "/", headers={"Host": f"{DOMAIN.upper()}:1"})
    assert seen_by_app(answer)["HTTP_HOST"] == DOMAIN


def test_the_app_logs_the_address_that_nginx_saw(site: Site) -> None:
    answer = site.request("GET", "/healthz", headers=FORGED, source="127.0.0.9")
    request_id = str(answer.header("x-request-id"))
    log = site.directory / "app.log"
    live.wait_until(lambda: request_id in log.read_text())  # written after the answer was sent
    [line] = [line for line in log.read_text().splitlines() if request_id in line]
    assert json.loads(line)["address"] == "127.0.0.9"


START = f"POST / HTTP/1.1\r\nHost: {DOMAIN}\r\n".encode()
INNER = b"GET /inner HTTP/1.1\r\nHost: service.test\r\nConnection: close\r\n\r\n"
CHUNKED_INNER = b"0\r\n\r\n" + INNER


@asvs("4.2.1")
@pytest.mark.parametrize(
    "framing",
    [
        pytest.param(b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", id="CL.TE"),
        pytest.param(b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", id="TE.CL"),
        pytest.param(b"Content-Length: 0\r\nContent-Length: 5\r\n", id="two lengths"),
        pytest.param(b"Content-Length: 5\r\nContent-Length: 5\r\n", id="equal lengths"),
        pytest.param(b"Content-Length: +5\r\n", id="signed length"),
        pytest.param(b"Content-Length: 5, 5\r\n", id="list of lengths"),
        pytest.param(b"Content-Length: 0x5\r\n", id="hexadecimal length"),
        pytest.param(b"Transfer-Encoding: xchunked\r\n", id="xchunked"),
        pytest.param(b"Transfer-Encoding: identity\r\n", id="identity"),
        pytest.param(b"Transfer-Encoding: gzip, chunked\r\n", id="gzip, chunked"),
        pytest.param(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n", id="two encodings"),
        pytest.param(b"X: 1\r\n Content-Length: 5\r\n", id="obsolete fold"),
        pytest.param(b"Transfer-Encoding\r\n : chunked\r\n", id="folded name"),
        pytest.param(b"X: 1\rContent-Length: 5\r\n", id="bare CR"),
        pytest.param(b"X: 1\0Content-Length: 5\r\n", id="NUL"),
    ],
)
def test_no_request_is_smuggled(edge: Site, framing: bytes) -> None:
    """An ambiguous body is refused, and what follows is never read as a request."""
    data = edge.raw(START + framing + b"\r\n" + CHUNKED_INNER)
    assert data.count(b"HTTP/1.1 ") == 1, data
    answer = parse(data)
    assert answer.status in (400, 501), data
    assert_own_error(answer, answer.status)
    assert b"PATH_INFO" not in data


@asvs("4.2.1")
@pytest.mark.parametrize(
    "framing",
    [
        pytest.param(b"Transfer_Encoding: chunked\r\nContent-Length: 0\r\n", id="underscore"),
        pytest.param(b"Transfer-Encoding : chunked\r\nContent-Length: 0\r\n", id="space"),
    ],
)
def test_a_malformed_framing_header_is_dropped(edge: Site, framing: bytes) -> None:
    data = edge.raw(START + framing + b"Connection: close\r\n\r\n")
    answer = parse(data)
    assert answer.status in (200, 400)
    assert "HTTP_TRANSFER_ENCODING" not in answer.body


@asvs("4.1.3")
def test_gunicorn_itself_takes_no_ambiguous_header(echo: Path) -> None:
    """Should Nginx let one pass."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(live.ANSWER_TIMEOUT)
        client.connect(str(echo))
        client.sendall(f"GET / HTTP/1.1\r\nHost: {DOMAIN}\r\nX_Forwarded_For: 1\r\n\r\n".encode())
        assert live.read_answer(client).status == 400


@asvs("12.3.3")
def test_gunicorn_listens_on_a_socket_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GUNICORN_BIND", raising=False)
    config = runpy.run_path("deploy/gunicorn.conf.py")
    assert config["bind"].startswith("unix:/run/")
    assert config["control_socket_disable"] is True


def test_only_owner_and_group_reach_the_socket(echo: Path) -> None:
    assert echo.stat().st_mode & 0o777 == 0o660


# Floods

# A busy machine sends no 20 requests a second. Nginx holds the rate, test_nginx the number.
SLOWLY = {"rate=20r/s": "rate=1r/m"}


@practice("rate_limits")
@asvs("2.4.1")
def test_a_flood_is_limited_by_address_whatever_it_asks_for(tmp_path: Path, echo: Path) -> None:
    with live.nginx(tmp_path, echo, changes=SLOWLY) as edge:
        flood = [edge.request("GET", "/status/404", source="127.0.0.20") for _ in range(50)]
        assert edge.request("GET", "/", source="127.0.0.21").status == 200
    assert [it.status for it in flood] == [404] * 41 + [429] * 9  # the burst of 40, and one
    assert_own_error(flood[-1], 429, retry_after="1")


@practice("rate_limits")
@asvs("2.4.1")
def test_an_ipv6_subscriber_counts_as_one(tmp_path: Path, echo: Path) -> None:
    extra = "set_real_ip_from 127.0.0.0/8; real_ip_header X-Test-Address;\n"
    with live.nginx(tmp_path, echo, extra=extra, changes=SLOWLY) as edge:
        same = [edge.get("/", x_test_address=f"2001:db8:0:1:{i:x}::1") for i in range(1, 51)]
        other = [edge.get("/", x_test_address=f"2001:db8:0:{i:x}::1") for i in range(2, 52)]
    assert [answer.status for answer in same] == [200] * 41 + [429] * 9
    assert {answer.status for answer in other} == {200}


# The log


@practice("logs")
@asvs("16.2.5", "16.4.1")
def test_the_log_holds_no_query_and_no_forged_line(edge: Site) -> None:
    edge.get("/path%22%7d%0a?token=canary-7", referer="https://x/?token=canary-8")
    edge.raw(b'GET /"} HTTP/1.1\r\nHost: service.test\r\nConnection: close\r\n\r\n')
    lines = (edge.directory / "log/access.log").read_text().splitlines()
    entries = [json.loads(line) for line in lines]
    assert "canary" not in "".join(lines)
    assert {"/path%22%7d%0a", '/"}'} <= {entry["path"] for entry in entries}


# The app's part


@asvs("4.1.2", "12.2.1")
def test_the_app_refuses_plain_http_but_for_health_checks(browser: Browser) -> None:
    for proto in ("http", "HTTP", None):
        clear: dict[str, Any] = {
            "headers": {"X-Forwarded-Proto": proto},
            "base_url": f"http://{DOMAIN}",
        }
        answer = browser.get("/", **clear)
        assert (proto, answer.status_code) == (proto, 403)
        assert "Location" not in answer.headers  # what was sent in the clear is not asked for again
        assert browser.get("/healthz", **clear).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.test", f"evil.{DOMAIN}", f"{DOMAIN}.evil.test", "127.0.0.1"]
)
def test_the_app_refuses_other_host_names(browser: Browser, host: str) -> None:
    answer = browser.get("/healthz", base_url=f"https://{host}")
    assert answer.status_code == 400
    assert f"//{host}" not in answer.get_data(as_text=True)


@asvs("4.1.3", "15.3.4")
def test_the_app_trusts_one_hop(browser: Browser, log: Callable[[], list[dict[str, Any]]]) -> None:
    forged = {
        "X-Forwarded-For": "203.0.113.66, 198.51.100.9",
        "X-Forwarded-Host": "evil.test",
        "X-Forwarded-Port": "1",
        "X-Forwarded-Prefix": "/evil",
        "X-Real-IP": "203.0.113.66",
        "Forwarded": "for=203.0.113.66;host=evil.test",
    }
    log()
    answer = browser.get("/.well-known/security.txt", headers=forged)
    assert f"Canonical: https://{DOMAIN}/.well-known/security.txt" in answer.get_data(as_text=True)
    [line] = [line for line in log() if line["event"] == "request"]
    assert line["address"] == "198.51.100.9"


def test_production_passes_the_check(app: Flask) -> None:
    assert list(https.check(app)) == []


@slow
def test_the_check_reports_unsafe_https_settings(
    make_app: Callable[..., Flask], app: Flask
) -> None:
    development = make_app(APP_ENV="development", DOMAIN_NAME=None)
    assert any("plain HTTP" in problem for problem in https.check(development))
    for hosts, problem in ((None, "empty"), ([".test"], "wildcard"), (["*"], "wildcard")):
        app.config["TRUSTED_HOSTS"] = hosts
        assert any(problem in found for found in https.check(app)), hosts


@slow
def test_nginx_accepts_the_configuration_without_a_warning(tmp_path: Path) -> None:
    program = needs.nginx()
    ca = live.make_certificates(tmp_path / "tls", f"DNS:{DOMAIN}")
    site = Site("127.0.0.1", *live.free_ports("127.0.0.1"), tmp_path, ca)
    config = live.configure(site, tmp_path / "app.sock")
    command = [program, "-t", "-q", "-c", str(config)]
    command += ["-e", "stderr", "-g", f"pid {tmp_path}/nginx.pid;"]
    shown = subprocess.run(command, capture_output=True, text=True)
    assert (shown.returncode, shown.stdout + shown.stderr) == (0, "")
