"""Metrics: on a listener of their own alone, right over several workers, and no client's labels."""

from __future__ import annotations

import os
import platform
import re
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from importlib.metadata import version
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any

import pytest
from alembic.runtime.migration import MigrationContext
from cryptography import x509
from flask import Flask
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import ServiceUnavailable

from app import metrics
from app.database import backups, db, now
from app.mail import outbox_status
from app.metrics import certificate, watch_connections, watch_passwords
from app.metrics.certificate import Certificate
from app.metrics.collector import Metrics
from app.metrics.counting import METHODS, counted
from app.secret import Secret
from app.security import hash_slots, passwords
from tests import live, outbox
from tests.browser import HOME, SIGN_IN
from tests.live import Site
from tests.marks import asvs, practice, slow
from tests.test_instances import processes

pytestmark = practice("logs")

REQUESTS = 12
BACKUP = "app_backup_seconds"
Samples = dict[tuple[str, ...], float]


def totals(samples: Samples) -> Samples:
    """Those that only rise."""
    return {labels: value for labels, value in samples.items() if labels[0].endswith("_total")}


class Scraped:
    """A service behind Nginx, with a listener for Prometheus."""

    def __init__(self, site: Site, port: int, socket: Path) -> None:
        self.site = site
        self.port = port
        self.socket = socket

    def ask(self, method: str, path: str) -> tuple[int, str]:
        """The listener's answer: status and body."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=live.ANSWER_TIMEOUT)
        try:
            connection.request(method, path, headers={"Host": self.site.domain})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def samples(self) -> Samples:
        """The value of each sample, by its name and the values of its labels.

        A request is counted when its answer was sent, so the client may be ahead for a moment.
        """
        before = self.read()
        while True:
            time.sleep(0.2)
            after = self.read()
            if totals(after) == totals(before):
                return after
            before = after

    def read(self) -> Samples:
        status, body = self.ask("GET", "/metrics")
        assert status == 200
        return {
            (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(body)
            for sample in family.samples
        }

    def counted(self) -> float:
        """How many requests were counted, of all routes."""
        return sum(value for it, value in self.samples().items() if it[0] == "app_requests_total")

    def wait_until_counted(self, number: float) -> None:
        live.wait_until(lambda: self.counted() == number)


@pytest.fixture(scope="module")
def scraped(
    environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scraped]:
    folder = tmp_path_factory.mktemp("metrics")
    port, _ = live.free_ports("127.0.0.1")
    ports = live.free_ports("127.0.0.1")
    values = {**environment, "METRICS_ADDRESS": f"127.0.0.1:{port}", "TMPDIR": str(folder)}
    values["CERTIFICATE_ADDRESS"] = f"127.0.0.1:{ports[1]}"
    with live.gunicorn(folder, values) as app, live.nginx(folder, app, ports=ports) as site:
        yield Scraped(site, port, app)
    assert not list(folder.glob("metrics-*")), "the folder of the workers stays"


# --- One listener answers /metrics and nothing else; no other does


@slow
@asvs("13.4.5")
def test_the_listener_of_metrics_answers_nothing_else(scraped: Scraped) -> None:
    status, body = scraped.ask("GET", "/metrics")
    assert status == 200
    assert "app_info" in body
    for path in (HOME, "/healthz", "/readyz", "/metrics/", "/metrics/x", "//metrics", SIGN_IN):
        assert scraped.ask("GET", path) == (404, ""), path
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert scraped.ask(method, "/metrics") == (404, ""), method


@slow
@asvs("13.4.5")
@pytest.mark.parametrize(
    "path", ["/metrics", "/metrics?x=1", "/%6detrics", "//metrics", "/./metrics"]
)
def test_metrics_are_not_reached_through_nginx(scraped: Scraped, path: str) -> None:
    # Each of them would choose the listener by what a client sends.
    asked = {"X-Forwarded-Port": str(scraped.port), "X-Forwarded-Host": f"127.0.0.1:{scraped.port}"}
    for headers in ({}, asked, {"Forwarded": f"host=127.0.0.1:{scraped.port}"}):
        answer = scraped.site.request("GET", path, headers=headers)
        assert answer.status in (400, 404)
        assert "app_requests" not in answer.body


@slow
@asvs("13.4.5")
def test_metrics_are_not_on_the_socket_of_the_service(scraped: Scraped) -> None:
    for host in (scraped.site.domain, f"127.0.0.1:{scraped.port}"):
        with live.connect_unix(scraped.socket) as connection:
            connection.request("GET", "/metrics", headers={
                "Host": host, "X-Forwarded-Proto": "https", "X-Forwarded-For": "127.0.0.1",
            })  # fmt: skip
            answer = connection.getresponse()
            assert answer.status in (400, 404)
            assert b"app_requests" not in answer.read()


def test_without_the_setting_nothing_is_counted(
    make_app: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(metrics, "counted")  # so that calling it fails
    assert make_app().config["SETTINGS"].metrics.port is None


# --- The numbers


def test_passwords_are_counted_while_they_are_hashed_and_when_they_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    registry, seen = CollectorRegistry(), []

    def value(name: str) -> float | None:
        return registry.get_sample_value(name)

    class Hasher:
        def hash(self, password: bytes) -> str:
            seen.append(value("app_password_hashes"))
            with pytest.raises(ServiceUnavailable):
                passwords.hash_password(Secret("one more at the same time"))
            return ""

    monkeypatch.setattr(hash_slots, "watch", None)  # as it is when nobody asks, and again after
    watch_passwords(registry)
    monkeypatch.setattr(hash_slots, "slots", BoundedSemaphore(1))
    monkeypatch.setattr(passwords, "HASHER", Hasher())
    passwords.hash_password(Secret("correct horse battery staple"))
    assert seen == [1]
    assert value("app_password_hashes") == 0
    assert value("app_password_hashes_refused_total") == 1


def test_connections_are_counted_while_they_are_in_use(make_app: Callable[..., Flask]) -> None:
    app, registry = make_app(), CollectorRegistry()
    watch_connections(app, registry)
    with app.app_context():
        with db.engine.connect(), db.engine.connect():
            assert registry.get_sample_value("app_database_connections") == 2
        assert registry.get_sample_value("app_database_connections") == 0


@slow
def test_no_client_chooses_a_label(scraped: Scraped) -> None:
    for path in ("/canary-1", f"{HOME}?canary=1", "/static/canary.js", "/%0acanary{", "/canary-2"):
        scraped.site.get(path)
    scraped.site.request("CANARY", HOME)
    scraped.site.request("GET", HOME, headers={"User-Agent": "canary", "Host": "canary.test"})
    with live.connect_unix(scraped.socket) as connection:  # a method that Nginx would refuse
        connection.request("CANARY", "/canary", headers={"Host": scraped.site.domain})
        connection.getresponse().read()
    samples = scraped.samples()
    assert not [labels for labels in samples if "canary" in "".join(labels).lower()]
    methods = {labels[1] for labels in samples if labels[0] == "app_requests_total"}
    assert "other" in methods
    assert methods <= METHODS | {"other"}


@slow
@asvs("16.3.3")
def test_requests_and_events_are_counted_by_their_kind(scraped: Scraped) -> None:
    before, count = scraped.samples(), scraped.counted()
    for path in (HOME, HOME, "/nothing"):
        scraped.site.get(path)
    scraped.site.request("POST", SIGN_IN, body=b"x", headers={"Sec-Fetch-Site": "cross-site"})
    scraped.wait_until_counted(count + 4)
    after = scraped.samples()

    def more(*labels: str) -> float:
        return after.get(labels, 0) - before.get(labels, 0)

    assert more("app_requests_total", "GET", HOME, "2xx") == 2
    assert more("app_requests_total", "GET", "none", "4xx") == 1
    posts = [it for it in after if it[:2] == ("app_requests_total", "POST") and it[3] == "4xx"]
    assert sum(more(*it) for it in posts) == 1
    assert more("app_request_seconds_count", HOME) == 2
    assert more("app_request_seconds_bucket", "+Inf", HOME) == 2
    assert sum(more(*it) for it in after if it[0] == "app_security_events_total") >= 1
    assert after["app_database_connections",] == 0  # all are back in the pool
    assert after["app_password_hashes",] == 0
    assert ("app_password_hashes_refused_total",) in after
    assert after["app_outbox_readable",] == 1
    assert after["app_outbox_mails",] >= 0
    assert ("app_outbox_oldest_seconds",) in after


def test_an_answer_that_breaks_off_is_counted() -> None:
    registry = CollectorRegistry()

    def breaks_off(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        try:
            yield b"begun"
        finally:
            raise OSError("canary")

    answer = counted(breaks_off, registry)({"REQUEST_METHOD": "GET"}, lambda *_: None)
    assert next(iter(answer)) == b"begun"
    with pytest.raises(OSError, match="canary"):
        answer.close()
    labels = {"route": "none", "method": "GET", "status": "2xx"}
    assert registry.get_sample_value("app_requests_total", labels) == 1


def kill_a_worker(app: Path) -> None:
    """Kill one of the two, and wait for its successor."""
    _, *workers = processes(app)
    assert len(workers) == 2
    os.kill(workers[0], signal.SIGKILL)
    live.wait_until(lambda: workers[0] not in processes(app))
    live.wait_until(lambda: len(processes(app)) == 3)


@slow
def test_a_killed_worker_loses_no_count(scraped: Scraped) -> None:
    before = scraped.counted()
    for _ in range(REQUESTS):
        assert scraped.site.get("/healthz").status == 200
    scraped.wait_until_counted(before + REQUESTS)

    kill_a_worker(scraped.socket)
    assert scraped.counted() - before == REQUESTS
    for _ in range(REQUESTS):
        assert scraped.site.get("/healthz").status == 200
    scraped.wait_until_counted(before + 2 * REQUESTS)
    # The successor goes on in the files of the dead: a service that runs for months fills no disk.
    (folder,) = scraped.site.directory.glob("metrics-*")
    assert {it.stem.rpartition("_")[2] for it in folder.glob("*.db")} <= {"0", "1", "2"}


@slow
def test_what_a_killed_worker_held_is_forgotten(scraped: Scraped) -> None:
    """Its connections, for example: its successor would never give them back."""
    (folder,) = scraped.site.directory.glob("metrics-*")

    def gauges() -> list[Path]:
        assert scraped.site.get("/healthz").status == 200  # a worker that answers has its file
        return list(folder.glob("gauge_*_[12].db"))

    live.wait_until(lambda: len(gauges()) == 2)
    with ExitStack() as stack:
        opened = [stack.enter_context(it.open("rb")) for it in gauges()]
        kill_a_worker(scraped.socket)
        links = [os.fstat(it.fileno()).st_nlink for it in opened]  # 0: the file was removed
    assert sorted(links) == [0, 1]


@slow
def test_the_certificate_metric_reads_the_certificate_of_nginx(scraped: Scraped) -> None:
    """Whoever asks for another name, or for none, is shown no certificate."""
    left = scraped.read()["app_certificate_seconds",]
    pem = (scraped.site.directory / "tls/fullchain.pem").read_bytes()
    end = x509.load_pem_x509_certificate(pem).not_valid_after_utc
    assert abs((end - datetime.now(UTC)).total_seconds() - left) < 60
    assert Certificate(f"127.0.0.1:{scraped.site.https_port}", "other.test").seconds() is None


def test_a_certificate_that_cannot_be_read_is_missing_and_asked_for_once_a_minute(
    make_app: Callable[..., Flask],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:  # accepts, and never says a word
        port = server.getsockname()[1]
        numbers = Metrics(make_app(CERTIFICATE_ADDRESS=f"127.0.0.1:{port}"))
        monkeypatch.setattr(certificate, "TIMEOUT", 0.1)
        for _ in range(3):
            names = [it.name for it in numbers.collect()]
            assert "app_certificate_seconds" not in names
            assert "app_outbox_mails" in names
    said = [it.getMessage() for it in caplog.records if it.name == certificate.__name__]
    assert said == ["metrics: the certificate cannot be read"]
    # What was read is given again, and counts down.
    numbers.certificate.ends_at = datetime.now(UTC) + timedelta(days=1)
    found = {it.name: it.samples[0].value for it in numbers.collect()}
    assert 86400 - 60 < found["app_certificate_seconds"] < 86400


def test_the_versions_are_those_of_this_service(make_app: Callable[..., Flask]) -> None:
    app = make_app()
    ((name, labels, *_),) = next(Metrics(app).collect()).samples
    assert name == "app_info"
    with app.app_context(), db.engine.connect() as connection:
        (head,) = MigrationContext.configure(connection).get_current_heads()
    assert re.fullmatch("[0-9a-f]{12}", labels["code"])
    assert labels == {
        "code": labels["code"],
        "python": platform.python_version(),
        "flask": version("flask"),
        "schema": head,
    }


def test_the_outbox_has_its_length_and_the_age_of_its_oldest_mail(own_service: Flask) -> None:
    for hours in (3, 1):  # the first mail becomes 4 hours old, the second one 1
        outbox.write(own_service, "alice@example.com")
        outbox.pass_time(own_service, timedelta(hours=hours))
    found = {it.name: it.samples[0].value for it in Metrics(own_service).collect()}
    assert found["app_outbox_mails"] == 2
    assert 4 * 3600 <= found["app_outbox_oldest_seconds"] < 4 * 3600 + 60


def test_the_age_of_the_newest_backup_is_there_when_there_is_one(own_service: Flask) -> None:
    numbers = Metrics(own_service)
    assert BACKUP not in [it.name for it in numbers.collect()]
    with own_service.app_context():
        backups.record(now() - timedelta(hours=26))
    found = {it.name: it.samples[0].value for it in numbers.collect()}
    assert 26 * 3600 <= found[BACKUP] < 26 * 3600 + 60


@practice("errors")
@asvs("16.5.2")
def test_other_metrics_remain_without_the_database(
    make_app: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise OperationalError("SELECT", {}, Exception("canary"))

    numbers = Metrics(make_app())
    names = [it.name for it in numbers.collect()]
    assert names[:3] == ["app", "app_outbox_readable", "app_outbox_mails"]
    assert names[3:] in (["app_outbox_oldest_seconds"], ["app_outbox_oldest_seconds", BACKUP])
    monkeypatch.setattr(outbox_status, "waiting", fail)
    found = {it.name: it.samples[0].value for it in numbers.collect()}
    assert found == {"app": 1, "app_outbox_readable": 0}
