"""The outbox: what is stored, for how long, who may read it, and what the operator sees of it."""

from __future__ import annotations

import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable
from datetime import timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from flask import Flask
from sqlalchemy import select

from app.database import db
from app.mail import delivery, outbox
from app.mail.models import Mail
from app.secret import Secret
from app.security.encryption import decrypt, encrypt
from tests.browser import Browser
from tests.database import OTHER_ROLES
from tests.mail_server import OK, mail_server
from tests.marks import asvs, practice, slow
from tests.outbox import CLIENT, deliver, make_due, pass_time, rows, states, write
from tests.stored import stored_rows

pytestmark = practice("mail.outbox")

ALICE, BOB = "alice@example.com", "bob@example.com"
UNKNOWN_KEY = "this was not encrypted with a key of this service"

Make = Callable[..., Flask]


# --- Whoever reads the database, or a backup of it


@practice("encryption")
@asvs("11.3.2", "14.2.4")
@slow
def test_a_reader_of_the_database_finds_no_text(app: Flask, make_app: Make) -> None:
    with mail_server() as server:
        service = make_app(MAIL_URL=server.url())
        write(service, ALICE)
        with service.app_context():
            dump = str(stored_rows(Mail.__table__))
        assert ALICE in dump, "the outbox was read"
        for secret in (CLIENT, "Your password", CLIENT[::-1]):
            assert secret not in dump
        assert deliver(service)
        assert CLIENT in server.received[0].text
    (row,) = rows(service)
    assert row.content == ""


@practice("encryption")
@asvs("11.3.2", "11.3.3")
def test_encrypted_text_is_read_only_unchanged_and_for_its_purpose(app: Flask) -> None:
    with app.app_context():
        stored = encrypt(Secret("a secret"), "one purpose")
        assert stored != encrypt(Secret("a secret"), "one purpose"), "the same text looks different"
        assert decrypt(stored, "one purpose") == "a secret"
        middle = len(stored) // 2
        changed = stored[:middle] + ("A" if stored[middle] != "A" else "B") + stored[middle + 1 :]
        for text, purpose in [(stored, "another"), (changed, "one purpose"), ("", "one purpose")]:
            with pytest.raises(ValueError, match=UNKNOWN_KEY):
                decrypt(text, purpose)


@practice("encryption")
@asvs("11.2.1", "11.2.3", "11.3.2", "11.3.3")
def test_stored_text_is_encrypted_by_fernet_with_a_derived_key(app: Flask) -> None:
    """A cipher of our own, or a key of fewer bits, would do the same in every other test."""
    key = app.config["SETTINGS"].secret_key.reveal().encode()
    derived = HKDF(SHA256(), 32, salt=None, info=b"one purpose").derive(key)
    with app.app_context():
        stored = encrypt(Secret("a secret"), "one purpose").encode()
    assert Fernet(urlsafe_b64encode(derived)).decrypt(stored) == b"a secret"


@practice("encryption")
@asvs("11.2.2")
def test_mails_survive_a_rotated_key_but_not_a_lost_one(app: Flask, make_app: Make) -> None:
    old, new = app.config["SETTINGS"].secret_key.reveal(), secrets.token_urlsafe(48)
    write(app, ALICE)
    with mail_server() as server:
        lost = make_app(MAIL_URL=server.url(), SECRET_KEY=new)
        assert deliver(lost)
        assert server.received == []
        assert [(it.state, UNKNOWN_KEY in it.error) for it in rows(lost)] == [("waiting", True)]
        make_due(app)
        rotated = make_app(MAIL_URL=server.url(), SECRET_KEY=new, SECRET_KEY_FALLBACKS=old)
        assert deliver(rotated)
        assert CLIENT in server.received[0].text
        write(rotated, BOB)
        with rotated.app_context():
            (newest,) = db.session.scalars(select(Mail).where(Mail.recipient == Secret(BOB)))
            assert outbox.content(newest)[0].startswith("Your password at ")
        with make_app(SECRET_KEY=old).app_context(), pytest.raises(ValueError, match=UNKNOWN_KEY):
            outbox.content(newest)  # the current key encrypts, and not a fallback


def test_a_mail_that_is_not_to_be_sent_looks_sent_and_has_no_text(app: Flask) -> None:
    with app.app_context():
        outbox.add("password", Secret(ALICE), {"address": CLIENT}, deliver=False)
        db.session.commit()
        assert outbox.claim() is None
    assert [(mail.state, mail.content) for mail in rows(app)] == [("sent", "")]


def test_a_mail_that_is_not_to_be_sent_counts_for_no_mailbox(app: Flask) -> None:
    """Strangers would use up what a mailbox may get, without a mail."""
    with app.app_context():
        outbox.add("password", Secret(ALICE), {"address": CLIENT}, deliver=False)
        db.session.commit()
        assert outbox.recent("password", Secret(ALICE)) == 0
        outbox.add("password", Secret(ALICE), {"address": CLIENT})
        db.session.commit()
        assert outbox.recent("password", Secret(ALICE)) == 1


def test_mails_of_a_rolled_back_transaction_are_not_sent(app: Flask) -> None:
    with app.app_context():
        outbox.add("password", Secret(ALICE), {"address": CLIENT})
        db.session.rollback()
    assert rows(app) == []


# --- Who takes which mail, and for how long


def test_a_mail_is_taken_by_one_sender_until_it_must_have_ended(app: Flask) -> None:
    write(app, ALICE)
    with app.app_context():
        first = outbox.claim()
        assert first is not None
        assert outbox.claim() is None
        pass_time(app, outbox.LEASE - timedelta(minutes=1))
        assert outbox.claim() is None
        pass_time(app, timedelta(minutes=1))
        second = outbox.claim()
        assert second is not None
        assert (second.id, second.attempts) == (first.id, 2)
        due = rows(app)[0].due_at
        for final in (False, True):  # the first was only slow: the mail is the second's now
            outbox.failed(first, "too late", final=final)
            assert [(it.due_at, it.error) for it in rows(app)] == [(due, "")]
        outbox.sent(first)
        outbox.failed(second, "refused", final=True)
    assert states(app) == ["sent"]


def test_the_oldest_due_mail_is_sent_first(app: Flask) -> None:
    write(app, ALICE)
    pass_time(app, timedelta(minutes=1))
    write(app, BOB)
    with app.app_context():
        taken = [outbox.claim(), outbox.claim(), outbox.claim()]
    assert [it and it.recipient for it in taken] == [ALICE, BOB, None]


def test_rows_are_deleted_when_nobody_needs_them(app: Flask) -> None:
    write(app, ALICE, BOB, "carol@example.com")
    with app.app_context():
        for finish in (outbox.sent, lambda mail: outbox.failed(mail, "no", final=True)):
            mail = outbox.claim()
            assert mail is not None
            finish(mail)
    for days, left in [
        (0.99, ["sent", "given up", "waiting"]),
        (0.02, ["given up", "waiting"]),
        (5.98, ["given up", "waiting"]),
        (0.02, ["waiting"]),
        (999, ["waiting"]),
    ]:
        pass_time(app, timedelta(days=days))
        with app.app_context():
            delivery.delete_old()
        assert states(app) == left


# --- What the operator sees


def test_status_says_what_is_stuck_and_retry_sends_it(app: Flask, make_app: Make) -> None:
    with mail_server() as server:
        service, sender = make_app(), make_app(MAIL_URL=server.url(), **OTHER_ROLES)

        def mail(*arguments: str) -> Any:
            return sender.test_cli_runner().invoke(args=["mail", *arguments])

        assert (mail("status").exit_code, mail("status").output) == (0, "")
        write(service, ALICE, BOB)
        server.steps["RCPT"] = f"450 4.2.2 {'x' * 300}\x1b[31m"
        assert mail("deliver", "--once").exit_code == 0
        status = mail("status")
        assert status.exit_code == 0
        assert "waiting: 2, the oldest from " in status.output
        assert "(password): waiting, attempts: 1" in status.output
        assert ALICE not in status.output
        assert "\x1b" not in status.output
        pass_time(service, timedelta(minutes=14))
        assert mail("status").exit_code == 0
        pass_time(service, timedelta(minutes=2))
        stuck = mail("status")
        assert stuck.exit_code == 1
        assert "Mail is stuck: some mails have waited for more than 15 minutes." in stuck.output

        server.steps["RCPT"] = OK
        with service.app_context():
            make_due(service)
            assert outbox.claim() is not None, "one is being sent, and must not be sent twice"
        assert mail("retry").output == "Mails due now: 1.\n"
        assert mail("deliver", "--once").exit_code == 0
        assert len(server.received) == 1
        pass_time(service, outbox.LEASE)
        assert mail("deliver", "--once").exit_code == 0
        assert sorted(it.recipient for it in server.received) == [ALICE, BOB]


@slow
def test_a_server_that_fails_is_a_failure_of_the_command(app: Flask, make_app: Make) -> None:
    write(app, ALICE)
    result = make_app(**OTHER_ROLES).test_cli_runner().invoke(args=["mail", "deliver", "--once"])
    assert result.exit_code == 1
    assert result.output.endswith("Error: The mail server failed; see flask mail status.\n")


def test_readiness_says_that_mail_is_late_and_stays_ready(app: Flask, log: Any) -> None:
    """An outage of the mail server must not take the service out of work as well."""
    write(app, ALICE)
    browser = Browser(app)
    for age, expected in [(14, "ok"), (2, "delayed")]:
        pass_time(app, timedelta(minutes=age))
        log()
        ready = browser.get("/readyz")
        body = ready.get_json()
        assert (ready.status_code, body["mail"], body["database"]) == (200, expected, "ok")
        assert body["status"] != "unavailable"
        events = [line["event"] for line in log()]
        said = "mail waits for too long; see flask mail status"
        assert events.count(said) == (expected == "delayed")


# --- Development


def test_development_writes_files_and_shows_them(
    app: Flask, make_app: Make, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    service = make_app(APP_ENV="development", MAIL_URL=None)
    service.instance_path = str(tmp_path)
    write(service, ALICE, "j\u00f6rg@example.com")
    client = service.test_client()
    client.get("/")
    assert states(service) == ["waiting", "waiting"], "what only reads sends nothing"
    client.post("/nothing")
    assert states(service) == ["sent", "sent"]
    files = sorted((tmp_path / "mail").glob("*.eml"))
    mails = [message_from_bytes(path.read_bytes(), policy=policy.default) for path in files]
    assert {str(mail["To"]) for mail in mails} == {ALICE, "j\u00f6rg@example.com"}
    assert all(CLIENT in mail.get_content() for mail in mails)
    shown = capfd.readouterr().err
    assert f"Mail to {ALICE}: Your password at " in shown
    assert str(files[0]) in shown


@asvs("14.2.4")
def test_production_never_writes_files(app: Flask, make_app: Make, tmp_path: Path) -> None:
    """A process without MAIL_URL, such as one of the web, would leave links on the disk."""
    service = make_app(MAIL_URL=None)
    service.instance_path = str(tmp_path)
    write(service, ALICE)
    for _ in range(2):
        service.test_client().post("/nothing", base_url="https://service.test")
    result = service.test_cli_runner().invoke(args=["mail", "deliver", "--once"])
    assert result.exit_code == 3
    assert "MAIL_URL is not set" in result.output
    assert states(service) == ["waiting"]
    assert list(tmp_path.rglob("*.eml")) == []
