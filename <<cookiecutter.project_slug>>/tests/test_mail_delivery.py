"""Mails are sent by a real server's rules: encrypted, to nobody else, and none is lost."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete

from app.database import db, now
from app.mail import outbox, transport
from app.mail.models import Mail
from app.secret import Secret
from app.security.encryption import encrypt
from tests.live import free_ports, make_certificates
from tests.mail_server import CUT, OK, MailServer, mail_server
from tests.marks import asvs, practice, slow
from tests.outbox import CLIENT, deliver, make_due, pass_time, rows, states, write

pytestmark = practice("mail.transport")

ALICE, BOB, CAROL = "alice@example.com", "bob@example.com", "carol@example.com"
USER, PASSWORD = "service", "p@ss/w0rd of the mail server"
SECRET = f"{USER}:p%40ss%2Fw0rd%20of%20the%20mail%20server@"
# This machine by a name that does not say so: for the service, a network lies in between.
ELSEWHERE = "0.0.0.0"  # noqa: S104

Make = Callable[..., Flask]


@pytest.fixture
def server() -> Iterator[MailServer]:
    with mail_server() as server:
        yield server


@pytest.fixture
def service(app: Flask, make_app: Make, server: MailServer) -> Flask:
    """The service, with an empty outbox, and this mail server."""
    return make_app(MAIL_URL=server.url())


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificates(tmp_path_factory.mktemp("tls"), f"IP:{ELSEWHERE}").parent


def once(answer: str) -> Callable[[str], str]:
    """Give this answer the first time, and take everything afterwards."""
    answers = iter([answer])
    return lambda _: next(answers, OK)


def test_a_mail_arrives_as_it_was_written_and_once(service: Flask, server: MailServer) -> None:
    write(service, ALICE)
    (row,) = rows(service)
    for _ in range(2):
        assert deliver(service)
        make_due(service)
    (mail,) = server.received
    message = mail.message
    assert (mail.sender, mail.recipient) == ("no-reply@service.test", ALICE)
    assert (message["From"], message["To"]) == ("no-reply@service.test", ALICE)
    assert message["Subject"].startswith("Your password at ")
    assert message["Message-ID"] == row.message_id
    assert row.message_id.endswith("@service.test>")
    assert message["Auto-Submitted"] == "auto-generated"  # RFC 3834
    assert message["Date"].datetime == row.created_at
    assert message.get_content_type() == "text/plain"
    assert CLIENT in mail.text
    assert [(it.state, it.content, it.error) for it in rows(service)] == [("sent", "", "")]


# --- An attacker between the service and its mail server


@asvs("12.3.1", "12.3.2")
@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_over_a_network_mails_and_the_password_are_encrypted(
    app: Flask, make_app: Make, certificates: Path, scheme: str
) -> None:
    options = {"implicit": scheme == "smtps", "user": USER, "password": PASSWORD}
    with mail_server(certificates, **options) as server:
        ca = str(certificates / "ca.pem")
        service = make_app(MAIL_URL=server.url(scheme, host=ELSEWHERE, secret=SECRET, ca=ca))
        write(service, ALICE)
        assert deliver(service)
    (mail,) = server.received
    assert (mail.encrypted, mail.user) == (True, USER)


@asvs("12.3.2")
@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
@pytest.mark.parametrize("mistake", ["of another name", "of an unknown authority"])
@slow
def test_nothing_is_sent_to_a_mail_server_with_a_wrong_certificate(
    app: Flask, make_app: Make, certificates: Path, tmp_path: Path, scheme: str, mistake: str
) -> None:
    tls, ca = certificates, str(certificates / "ca.pem")
    if mistake == "of another name":
        tls = make_certificates(tmp_path / "other", "DNS:mail.example.com").parent
        ca = str(tls / "ca.pem")
    else:
        ca = ""
    with mail_server(tls, implicit=scheme == "smtps", user=USER, password=PASSWORD) as server:
        service = make_app(MAIL_URL=server.url(scheme, host=ELSEWHERE, secret=SECRET, ca=ca))
        write(service, ALICE)
        assert not deliver(service)
    assert (server.seen, server.received) == ([], [])
    (row,) = rows(service)
    assert row.state == "waiting"
    assert "CERTIFICATE_VERIFY_FAILED" in row.error


@asvs("12.3.1")
@pytest.mark.parametrize("secret", ["", SECRET])
def test_nothing_is_sent_to_a_mail_server_without_starttls(
    app: Flask, make_app: Make, server: MailServer, secret: str
) -> None:
    """Whoever reads the network can take the offer out of the server's answer."""
    service = make_app(MAIL_URL=server.url(host=ELSEWHERE, secret=secret))
    write(service, ALICE, BOB)
    assert not deliver(service)
    assert (server.seen, server.received) == ([], [])
    assert [(it.state, it.attempts) for it in rows(service)] == [("waiting", 1), ("waiting", 0)]


# --- A server that refuses, stops or breaks


@pytest.mark.parametrize(
    ("command", "answer", "state"),
    [
        ("RCPT", "450 4.2.2 mailbox full", "waiting"),
        ("RCPT", "550 5.1.1 no such user", "given up"),
        ("RCPT", "556 5.1.10 takes no mail", "given up"),
        ("RCPT", "550 5.1.8 bad sender", "waiting"),
        ("RCPT", "554 5.7.1 relay access denied", "waiting"),
        ("RCPT", "550 relay not permitted", "waiting"),
        ("MAIL", "451 4.3.0 later", "waiting"),
        ("MAIL", "550 5.7.1 not from you", "waiting"),
        ("DATA", "452 4.3.1 disk full", "waiting"),
        ("DATA", "554 5.7.1 looks like spam", "waiting"),
    ],
)
@slow
def test_one_mail_that_is_refused_does_not_hold_up_the_others(
    service: Flask, server: MailServer, log: Any, command: str, answer: str, state: str
) -> None:
    server.steps[command] = once(answer)
    write(service, ALICE, BOB, CAROL)
    log()
    assert deliver(service)
    assert states(service) == [state, "sent", "sent"]
    assert [mail.recipient for mail in server.received] == [BOB, CAROL]
    (refused, *_) = rows(service)
    assert answer[:3] in refused.error
    given_up = [it["kind"] for it in log() if it["event"] == "mail_given_up"]
    assert given_up == (["password"] if state == "given up" else [])

    with service.app_context():
        assert service.test_cli_runner().invoke(args=["mail", "retry"]).exit_code == 0
    assert deliver(service)
    assert [mail.recipient for mail in server.received] == [BOB, CAROL, ALICE]


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("answer", [CUT, "421 4.3.2 closing"])
@slow
def test_when_the_connection_ends_the_others_wait_for_the_next(
    service: Flask, server: MailServer, command: str, answer: str
) -> None:
    server.steps[command] = once(answer)
    write(service, ALICE, BOB)
    assert not deliver(service)
    assert [(it.state, it.attempts) for it in rows(service)] == [("waiting", 1), ("waiting", 0)]
    make_due(service)
    assert deliver(service)
    assert sorted(mail.recipient for mail in server.received) == [ALICE, BOB]


def test_a_silent_mail_server_times_out(
    service: Flask, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "TIMEOUT", 0.3)
    over = Event()
    server.steps["DATA"] = lambda _: OK if over.wait(20) else CUT
    write(service, ALICE, BOB)
    try:
        started = time.monotonic()
        assert not deliver(service)
        assert time.monotonic() - started < 10, "the server has ended it"
        assert states(service) == ["waiting", "waiting"]
    finally:
        over.set()


def test_a_server_that_is_down_loses_nothing(app: Flask, make_app: Make) -> None:
    port = free_ports("127.0.0.1")[0]
    service = make_app(MAIL_URL=f"smtp://127.0.0.1:{port}")
    write(service, ALICE, BOB)
    for _ in range(3):
        assert not deliver(service), "the second mail is not tried"
        make_due(service)
    with mail_server(port=port) as server:
        assert deliver(service)
    assert sorted(mail.recipient for mail in server.received) == [ALICE, BOB]


@slow
def test_pauses_grow_and_after_three_days_a_mail_is_given_up(
    service: Flask, server: MailServer, log: Any
) -> None:
    server.steps["RCPT"] = "450 4.2.0 greylisted"
    write(service, ALICE)
    minutes = []
    for _ in range(7):
        assert deliver(service)
        (row,) = rows(service)
        minutes.append(round((row.due_at - now()) / timedelta(minutes=1)))
        pass_time(service, row.due_at - now())
    assert minutes == [1, 2, 4, 8, 16, 30, 30]

    pass_time(service, timedelta(days=2, hours=22))
    assert deliver(service)
    assert states(service) == ["waiting"]
    pass_time(service, timedelta(hours=2))
    log()
    assert deliver(service)
    (row,) = rows(service)
    assert (row.state, row.content != "") == ("given up", True)
    (event,) = [line for line in log() if line["event"] == "mail_given_up"]
    assert (event["level"], event["kind"], event["mail"]) == ("ERROR", "password", row.id)


def test_a_mail_with_an_unexpected_fault_does_not_stop_the_process(
    service: Flask, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = transport.message

    def fail(mail: Mail) -> Any:
        if mail.recipient == ALICE:
            raise RuntimeError("a fault of a library")
        return build(mail)

    monkeypatch.setattr(transport, "message", fail)
    write(service, ALICE, BOB)
    assert not deliver(service)
    assert deliver(service)
    assert states(service) == ["waiting", "sent"]


# --- While a mail is being sent


def test_no_transaction_is_open_while_the_server_is_spoken_to(
    service: Flask, server: MailServer
) -> None:
    """PostgreSQL would end it after ten seconds, and the mail be sent again and again."""
    with service.app_context():
        pool: Any = db.engine.pool
    open_at = []
    for command in ("MAIL", "DATA"):
        server.steps[command] = lambda _: (open_at.append(pool.checkedout()), OK)[1]
    write(service, ALICE)
    assert deliver(service)
    assert open_at == [0, 0]


def test_a_mail_whose_account_is_deleted_meanwhile_is_no_error(
    service: Flask, server: MailServer
) -> None:
    def delete_all(_: str) -> str:
        with service.app_context():
            db.session.execute(delete(Mail).where(Mail.recipient == Secret(ALICE)))
            db.session.commit()
        return OK

    server.steps["DATA"] = delete_all
    write(service, ALICE, BOB)
    assert deliver(service)
    assert states(service) == ["sent"]


# --- Whoever chooses a value: no header is added, and nobody else gets the mail


@asvs("1.3.11")
@pytest.mark.parametrize(
    "recipient",
    [
        "alice@example.com, mallory@evil.example",
        "alice@example.com\r\nBcc: mallory@evil.example",
        "alice@example.com\nBcc: mallory@evil.example",
        "mallory@evil.example> <alice@example.com",
        "<mallory@evil.example>",
        "alice@example.com> SIZE=1\r\nRCPT TO:<mallory@evil.example",
        "group: mallory@evil.example;",
        "",
    ],
)
@slow
def test_an_invalid_address_gets_no_mail(
    service: Flask, server: MailServer, recipient: str
) -> None:
    write(service, recipient, BOB)
    assert deliver(service)
    assert [mail.recipient for mail in server.received] == [BOB]
    assert states(service) == ["waiting", "sent"]


@asvs("1.3.11")
@pytest.mark.parametrize("end", ["\r", "\r\n", "\x0b", "\x0c", "\x85", "\u2028", "\n"])
@slow
def test_no_value_becomes_a_header(service: Flask, server: MailServer, end: str) -> None:
    bad = f"Hello{end}Bcc: mallory@evil.example{end}{end}Text"
    write(service, ALICE)
    with service.app_context():
        outbox.add("password", Secret(BOB), {"address": bad})
        mail = Mail(kind="test", recipient=Secret(CAROL), message_id="<1@service.test>")
        mail.content = encrypt(Secret(bad), outbox.PURPOSE)
        db.session.add(mail)
        db.session.commit()
    assert deliver(service)
    assert server.to(ALICE)
    assert server.to(BOB)
    assert not server.to("mallory@evil.example")
    headers = {"Subject", "From", "To", "Date", "Message-ID", "Auto-Submitted"}
    headers |= {"Content-Type", "Content-Transfer-Encoding", "MIME-Version"}
    for received in server.received:
        names = set(received.message.keys())
        assert {name for name in names if not name.startswith("X-")} == headers  # aiosmtpd's own


@pytest.mark.parametrize("smtputf8", [True, False])
def test_names_in_every_script_arrive(app: Flask, make_app: Make, smtputf8: bool) -> None:
    with mail_server(smtputf8=smtputf8) as server:
        service = make_app(MAIL_URL=server.url(), MAIL_FROM="post@b\u00fccher.example")
        write(service, "info@b\u00fccher.example", "j\u00f6rg@b\u00fccher.example", BOB)
        assert deliver(service)
    expected = ["info@xn--bcher-kva.example", "j\u00f6rg@xn--bcher-kva.example", BOB]
    if not smtputf8:  # the server cannot deliver it
        del expected[1]
    assert [mail.recipient for mail in server.received] == expected
    assert {mail.sender for mail in server.received} == {"post@xn--bcher-kva.example"}


# --- Whoever reads the log


@asvs("16.2.5", "16.3.4")
def test_the_log_names_no_recipient_no_password_and_no_text(
    app: Flask, make_app: Make, certificates: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    ca, port = str(certificates / "ca.pem"), free_ports("127.0.0.1")[0]
    with mail_server(certificates, user=USER, password=PASSWORD, port=port) as server:
        good = server.url(host=ELSEWHERE, secret=SECRET, ca=ca)
        server.steps["RCPT"] = once(f"550 5.1.1 <{ALICE}>: no such user")
        for url in (good.replace("w0rd", "wrong"), good):
            service = make_app(MAIL_URL=url)
            write(service, ALICE, BOB)
            deliver(service)
            make_due(service)
    write(service, ALICE)
    assert not deliver(service), "the server is gone"
    logged = capfd.readouterr().err
    events = [json.loads(line)["event"] for line in logged.splitlines()]
    assert {"mail not sent", "mail_given_up"} <= set(events)
    for secret in (ALICE, BOB, PASSWORD, "p%40ss", "wrong", CLIENT, USER + ":"):
        assert secret not in logged
