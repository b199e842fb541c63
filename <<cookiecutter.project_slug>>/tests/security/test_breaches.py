"""The look-up of breached passwords: what leaves, what comes back, and what happens without it.

A real HTTPS server on loopback, which does what a test tells it.
"""

from __future__ import annotations

import hashlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from app.database import db
from app.secret import Secret
from app.security import breaches
from app.security.passwords import password_problem
from app.settings import ConfigurationError
# <% if cookiecutter.auth == "oidc" %>
from tests.browser import CREATE_ACCOUNT
# <% else %>
from tests.browser import PASSWORD, Browser
# <% endif %>
from tests.live import free_ports, make_certificates
from tests.marks import asvs, practice

pytestmark = practice("passwords")

Log = Callable[[], list[dict[str, Any]]]
GOOD = "purple otter juggles nine lamps"
DIGEST = hashlib.sha1(GOOD.encode()).hexdigest().upper()  # noqa: S324 - the interface's
OTHER = f"{'A' * 35}:7\r\n"  # a password that only begins the same
KNOWN = f"{OTHER}{DIGEST[5:]}:3\r\n"
SAID = "list of leaked passwords"


class Service(ThreadingHTTPServer):
    """Answers each request with ``status``, ``headers`` and ``body``, and keeps what it got."""

    daemon_threads = True
    status = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    drips = 0  # bytes that come now and then, before the body
    cut = 0  # bytes at its end that are announced and never come

    def __init__(self, certificates: Path) -> None:
        self.got: list[bytes] = []
        self.over = threading.Event()
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                service.got.append(self.raw_requestline + bytes(self.headers))
                self.send_response(service.status)
                for header in service.headers:
                    self.send_header(*header)
                length = service.drips + len(service.body)
                self.send_header("Content-Length", str(length))
                self.end_headers()
                for _ in range(service.drips):
                    self.wfile.write(b"\n")
                    service.over.wait(0.05)
                self.wfile.write(service.body[: len(service.body) - service.cut])

            def log_message(self, *_: object) -> None:
                """Say nothing: the log is what the tests look at."""

        super().__init__(("127.0.0.1", 0), Handler)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificates / "fullchain.pem", certificates / "privkey.pem")
        self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self.server_port}/range"

    def handle_error(self, *_: object) -> None:
        """The client hung up: that is what some tests are about."""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    make_certificates(folder, "IP:127.0.0.1")
    return folder


@pytest.fixture
def service(certificates: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A service of breached passwords that OpenSSL trusts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates / "ca.pem"))
    with Service(certificates) as running:
        thread = threading.Thread(target=running.serve_forever, args=[0.01])
        thread.start()
        yield running
        running.over.set()
        running.shutdown()
        thread.join()


@pytest.fixture
def asking(make_app: Callable[..., Flask], service: Service) -> Flask:
    """The app, with the service in its settings."""
    return make_app(BREACHED_PASSWORDS_URL=service.url)


def problem(app: Flask, password: str = GOOD) -> str | None:
    with app.app_context():
        return password_problem(Secret(password))


@asvs("6.2.12")
def test_a_breached_password_is_refused(asking: Flask, service: Service) -> None:
    service.body = KNOWN.encode()
    assert SAID in (problem(asking) or "")
    assert problem(asking, GOOD + "!") is None


@asvs("6.2.12")
def test_a_password_is_looked_up_in_its_normalized_form(asking: Flask, service: Service) -> None:
    """Keyboards compose letters in two ways; what leaked has one."""
    digest = hashlib.sha1("caf\u00e9 otter juggles nine lamps".encode()).hexdigest()  # noqa: S324
    service.body = f"{digest.upper()[5:]}:3\r\n".encode()
    assert SAID in (problem(asking, "cafe\u0301 otter juggles nine lamps") or "")


def test_no_transaction_is_open_while_it_is_asked(
    asking: Flask, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database ends one that is idle for so long, and the request with it."""
    ask, seen = breaches._answer, []

    def answer(url: str, prefix: str) -> str:
        seen.append(db.session.in_transaction())
        return ask(url, prefix)

    monkeypatch.setattr(breaches, "_answer", answer)
    with asking.app_context():
        db.session.execute(text("SELECT 1"))
        assert db.session.in_transaction()
        password_problem(Secret(GOOD))
    assert seen == [False]


@asvs("6.2.12")
def test_five_digits_leave_and_nothing_else(asking: Flask, service: Service) -> None:
    """The whole request: no more of the digest, no password, no account, no name of the service."""
    service.body = KNOWN.encode()
    problem(asking)
    (request,) = service.got
    assert sorted(request.decode().splitlines()) == sorted(
        [
            f"GET /range/{DIGEST[:5]} HTTP/1.1",
            f"Host: 127.0.0.1:{service.server_port}",
            "Accept-Encoding: identity",
            "Add-Padding: true",
            "User-Agent: app",
            "",
        ]
    )


def test_padding_lines_of_the_answer_are_ignored(asking: Flask, service: Service) -> None:
    service.body = f"{OTHER}{DIGEST[5:]}:0\r\n".encode()
    assert problem(asking) is None


def test_a_password_refused_by_local_rules_is_not_looked_up(
    asking: Flask, service: Service
) -> None:
    for password in ("short", "password12345678", "nuncateolvidare", "x" * 129):
        assert problem(asking, password)
    assert service.got == []


def test_no_breach_service_is_asked_by_default(app: Flask, service: Service) -> None:
    service.body = KNOWN.encode()
    assert app.config["SETTINGS"].breached_passwords_url == ""
    assert problem(app) is None
    assert service.got == []


FAILURES: dict[str, dict[str, Any]] = {
    "500": {"status": 500, "body": KNOWN.encode()},
    "redirection": {"status": 302, "headers": (("Location", "HERE/0AAAA"),)},
    "page": {"body": b"<html>Sign in to this network</html>"},
    "binary": {"body": b"\xff\xfe" * 99},
    "too long": {"body": OTHER.encode() * 7000 + KNOWN.encode()},
    "cut off": {"cut": len(OTHER), "body": KNOWN.encode()},  # between two lines
    "slow": {"drips": 60, "body": KNOWN.encode()},
}


@asvs("6.2.12", "15.3.2", "16.5.2")
@pytest.mark.parametrize("failure", FAILURES)
def test_without_an_answer_the_password_is_accepted_and_an_event_says_so(
    asking: Flask, service: Service, log: Log, monkeypatch: pytest.MonkeyPatch, failure: str
) -> None:
    monkeypatch.setattr(breaches, "TIMEOUT", 0.3)
    for name, value in FAILURES[failure].items():
        setattr(service, name, value)
    # To itself: whoever follows comes twice.
    service.headers = tuple((name, it.replace("HERE", service.url)) for name, it in service.headers)
    log()
    assert problem(asking) is None
    (event,) = log()
    assert event["event"] == "breached_passwords_not_checked"
    assert DIGEST[:5] not in str(event)
    assert len(service.got) == 1


@asvs("6.2.12", "16.5.2")
def test_an_unreachable_or_silent_breach_service_is_handled(
    make_app: Callable[..., Flask], service: Service, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breaches, "TIMEOUT", 0.3)
    gone, _ = free_ports("127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as mute:
        for port in (gone, mute.getsockname()[1]):
            app = make_app(BREACHED_PASSWORDS_URL=f"https://127.0.0.1:{port}/range")
            log()
            assert problem(app) is None
            assert [line["event"] for line in log()] == ["breached_passwords_not_checked"]


@asvs("12.3.2")
def test_nothing_is_sent_to_a_breach_service_with_a_wrong_certificate(
    asking: Flask, service: Service, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    log()
    assert problem(asking) is None
    assert service.got == []
    (event,) = log()
    assert "CERTIFICATE_VERIFY_FAILED" in event["reason"]


@pytest.mark.parametrize(
    "url",
    [
        "http://passwords.example.com/range",
        "passwords.example.com",
        "https://",
        "https://user:secret@passwords.example.com/",
        "https://passwords.example.com/range?x=",
        "https://passwords.example.com/range#",
        "https://passwords.example.com:x/",
        "https://passwords.example.com/a b",
    ],
)
def test_start_up_refuses_another_address(make_app: Callable[..., Flask], url: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        make_app(BREACHED_PASSWORDS_URL=url)
    assert [it.split(" ")[0] for it in refusal.value.problems] == ["BREACHED_PASSWORDS_URL"]


# <% if cookiecutter.auth == "oidc" %>
@asvs("6.2.12")
def test_the_command_asks_as_well(asking: Flask, service: Service) -> None:
    service.body = KNOWN.encode()
    command = ["users", CREATE_ACCOUNT, "carol@example.com", "--password", GOOD]
    refused = asking.test_cli_runner().invoke(args=command)
    assert refused.exit_code == 1
    assert SAID in refused.stderr
# <% else %>
@asvs("6.2.12")
def test_sign_up_and_change_ask_as_well(asking: Flask, service: Service) -> None:
    service.body = KNOWN.encode()
    alice = Browser(asking, "203.0.113.1").signed_in_with_password("alice@example.com")
    for response in (
        Browser(asking, "203.0.113.2").register("carol@example.com", GOOD),
        alice.change_password(PASSWORD, GOOD),
    ):
        assert response.status_code == 422
        assert SAID in response.text
    assert len(service.got) == 2
# <% endif %>
