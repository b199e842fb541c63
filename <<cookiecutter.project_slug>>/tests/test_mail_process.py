"""``flask mail deliver``, killed and disturbed: each mail at least once, twice only as promised."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import pytest
from flask import Flask

# <% if cookiecutter.database == "sqlite" %>
from app.database import db
# <% endif %>
from app.mail.outbox import LEASE
from tests import faults
from tests.browser import Browser
from tests.database import of_mail_process
from tests.live import make_certificates, running, wait_until
from tests.mail_server import OK, MailServer, mail_server
from tests.marks import asvs, practice
from tests.outbox import CLIENT, deliver, pass_time, rows, states, write

pytestmark = practice("mail.delivery")

ALICE, BOB = "alice@example.com", "bob@example.com"
WAIT = 30  # seconds that a process may take on a busy machine
DELIVER = [sys.executable, "-m", "flask", "--app", "wsgi", "mail", "deliver"]
# The same command, ended by SIGKILL at a commit. The first is of taking the mail, the second of the
# record that it was sent.
KILLED = """
import os, signal, sys
from itertools import count
from flask.cli import main
from sqlalchemy import event
from sqlalchemy.orm import Session

name, number, *arguments = sys.argv[1:]
numbers = count(1)

@event.listens_for(Session, name)
def die(session):
    if next(numbers) == int(number):
        os.kill(os.getpid(), signal.SIGKILL)

sys.argv = ["flask", *arguments]
main()
"""


@pytest.fixture
def values(environment: dict[str, str], app: Flask) -> dict[str, str]:
    """The environment of the process; its outbox is empty."""
    own = of_mail_process(environment)
    return {**own, "PATH": os.environ["PATH"], "FLASK_SKIP_DOTENV": "1"}


@pytest.fixture
def server() -> Iterator[MailServer]:
    with mail_server() as server:
        yield server


@pytest.fixture
def other_sender(make_app: Callable[..., Flask], server: MailServer) -> Flask:
    """A sender in this process, which goes on where a killed one has stopped."""
    return make_app(MAIL_URL=server.url())


@contextmanager
def delivering(
    values: dict[str, str], directory: Path, server: MailServer
) -> Iterator[subprocess.Popen[bytes]]:
    """The process, from its first look into the outbox on. It logs to ``mail.log``."""
    beat = directory / "heartbeat"
    beat.unlink(missing_ok=True)
    environment = {**values, "MAIL_URL": server.url()}
    command = [*DELIVER, "--heartbeat", str(beat)]
    with running(command, directory / "mail.log", beat.exists, environment) as process:
        yield process


def run(values: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, env=values, capture_output=True, text=True, timeout=2 * WAIT, check=False
    )


@pytest.mark.parametrize(
    ("commit", "arrived", "state", "in_all"),
    [
        (("before_commit", "1"), 0, "waiting", 1),  # before it is taken
        (("after_commit", "1"), 0, "waiting", 1),  # taken, nothing said to the server
        (("before_commit", "2"), 1, "waiting", 2),  # the server has it, and nobody noted that
        (("after_commit", "2"), 1, "sent", 1),  # noted
    ],
)
def test_killed_at_a_commit_it_loses_no_mail(
    app: Flask,
    other_sender: Flask,
    values: dict[str, str],
    server: MailServer,
    commit: tuple[str, str],
    arrived: int,
    state: str,
    in_all: int,
) -> None:
    write(app, ALICE)
    values["MAIL_URL"] = server.url()
    result = run(values, sys.executable, "-c", KILLED, *commit, *DELIVER[3:], "--once")
    assert result.returncode == -signal.SIGKILL, result.stderr
    assert (len(server.received), states(app)) == (arrived, [state])
    pass_time(app, LEASE)  # from then on, another sender takes what the first one had
    assert deliver(other_sender)
    assert states(app) == ["sent"]
    assert len(server.received) == in_all
    assert len({mail.message["Message-ID"] for mail in server.received}) == 1


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
def test_killed_while_it_speaks_to_the_server_it_loses_no_mail(
    app: Flask,
    other_sender: Flask,
    values: dict[str, str],
    tmp_path: Path,
    server: MailServer,
    command: str,
) -> None:
    killed = Event()
    server.steps[command] = lambda _: OK if killed.wait(WAIT) else "451 not killed"
    with delivering(values, tmp_path, server) as process:
        write(app, ALICE, BOB)
        wait_until(lambda: command in server.seen, WAIT)
        process.kill()
        process.wait()
    killed.set()
    assert states(app) == ["waiting", "waiting"]
    server.steps.clear()
    assert deliver(other_sender)
    assert states(app) == ["waiting", "sent"]
    pass_time(app, LEASE)
    assert deliver(other_sender)
    assert states(app) == ["sent", "sent"]
    counts = Counter(mail.recipient for mail in server.received)
    # After the whole text, aiosmtpd may take the mail of a client that is gone, as any server.
    assert counts[BOB] == 1
    assert counts[ALICE] in ((1, 2) if command == "DATA" else (1,))


def test_told_to_stop_it_ends_after_the_mail_that_it_sends(
    app: Flask, values: dict[str, str], tmp_path: Path, server: MailServer
) -> None:
    stop_sent = Event()
    server.steps["DATA"] = lambda _: OK if stop_sent.wait(WAIT) else "451 too late"
    with delivering(values, tmp_path, server) as process:
        write(app, ALICE, BOB)
        wait_until(lambda: "DATA" in server.seen, WAIT)
        process.terminate()
        time.sleep(0.5)
        assert process.poll() is None, "it waits for the server's answer"
        stop_sent.set()
        assert process.wait(WAIT) == 0
    assert [(it.state, it.attempts) for it in rows(app)] == [("sent", 1), ("waiting", 0)]
    assert [mail.recipient for mail in server.received] == [ALICE]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_mail_process_reports_health_and_stops_at_once(
    values: dict[str, str], tmp_path: Path, server: MailServer, number: signal.Signals
) -> None:
    beat = tmp_path / "heartbeat"
    with delivering(values, tmp_path, server) as process:
        first = beat.stat().st_mtime_ns
        wait_until(lambda: beat.stat().st_mtime_ns > first, WAIT)
        process.send_signal(number)
        started = time.monotonic()
        assert process.wait(WAIT) == 0
        assert time.monotonic() - started < 15, "a pause may take a minute"
    assert (tmp_path / "mail.log").read_text() == ""


def test_several_senders_send_each_mail_once(
    app: Flask, values: dict[str, str], tmp_path: Path, server: MailServer
) -> None:
    recipients = [f"user{number}@example.com" for number in range(60)]

    def slowly(_: str) -> str:
        time.sleep(0.02)  # so that each has some to send
        return OK

    server.steps["DATA"] = slowly
    places = [tmp_path / name for name in ("one", "two", "three")]
    for place in places:
        place.mkdir()
    with (
        delivering(values, places[0], server),
        delivering(values, places[1], server),
        delivering(values, places[2], server),
    ):
        write(app, *recipients)
        wait_until(lambda: set(states(app)) == {"sent"}, WAIT)
    assert Counter(mail.recipient for mail in server.received) == Counter(recipients)
    assert {row.attempts for row in rows(app)} == {1}
    assert [(place / "mail.log").read_text() for place in places] == ["", "", ""]


def test_a_database_that_goes_and_comes_back_ends_nothing(
    own_service: Flask, values: dict[str, str], own_database: dict[str, str],
    tmp_path: Path, server: MailServer,
) -> None:  # fmt: skip
    log = tmp_path / "mail.log"
    with (
        faults.outage({**values, **own_database}, tmp_path) as outage,
        delivering(of_mail_process(outage.settings), tmp_path, server) as process,
    ):
        write(own_service, ALICE)
        wait_until(lambda: states(own_service) == ["sent"], WAIT)
        # <% if cookiecutter.database == "sqlite" %>
        with own_service.app_context(), db.engine.connect() as other:
            other.exec_driver_sql("BEGIN IMMEDIATE")  # who has the file open does not miss it
            wait_until(lambda: "mail: database unavailable" in log.read_text(), WAIT)
        # <% else %>
        outage.stop(own_service)
        wait_until(lambda: "mail: database unavailable" in log.read_text(), WAIT)
        outage.resume()
        # <% endif %>
        write(own_service, BOB)
        wait_until(lambda: states(own_service) == ["sent", "sent"], 2 * WAIT)
        assert process.poll() is None
    assert [mail.recipient for mail in server.received] == [ALICE, BOB]


def test_nobody_waits_for_a_frozen_server_and_new_mail_goes_out_afterwards(
    app: Flask, values: dict[str, str], tmp_path: Path, server: MailServer
) -> None:
    thawed = Event()
    server.steps["MAIL"] = lambda _: OK if thawed.wait(WAIT) else "451 frozen"
    with delivering(values, tmp_path, server):
        write(app, ALICE)
        wait_until(lambda: "MAIL" in server.seen, WAIT)
        write(app, BOB)
        assert server.seen == ["MAIL"], "what writes a mail has waited for the server"
        assert Browser(app).get("/readyz").status_code == 200
        thawed.set()
        wait_until(lambda: states(app) == ["sent", "sent"], WAIT)


@asvs("13.3.1", "16.2.5")
def test_process_list_and_log_contain_no_secret(
    app: Flask, values: dict[str, str], tmp_path: Path
) -> None:
    """The password comes from a file, as every secret."""
    password, address = "the-password-of-the-mail-server", "0.0.0.0"  # noqa: S104
    tls = make_certificates(tmp_path / "tls", f"IP:{address}").parent
    with mail_server(tls, user="service", password=password) as server:
        secret = f"service:{password}@"
        file = tmp_path / "mail_url"
        file.write_text(server.url(host=address, secret=secret, ca=str(tls / "ca.pem")))
        own = {name: value for name, value in values.items() if name != "MAIL_URL"}
        own |= {"MAIL_URL_FILE": str(file)}
        beat, log = tmp_path / "heartbeat", tmp_path / "mail.log"
        command = [*DELIVER, "--heartbeat", str(beat)]
        server.steps["RCPT"] = lambda said: f"550 5.1.1 <{said}>" if said == ALICE else OK
        with running(command, log, beat.exists, own) as process:
            write(app, ALICE, BOB)
            wait_until(lambda: states(app) == ["given up", "sent"], WAIT)
            seen = [Path(f"/proc/{process.pid}/{it}").read_text() for it in ("cmdline", "environ")]
            seen.append(log.read_text())
    assert server.received[0].user == "service"
    assert "mail_given_up" in seen[-1]
    for text in seen:
        for name in (password, ALICE, BOB, CLIENT):
            assert name not in text
