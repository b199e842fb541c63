"""Several instances behind one Nginx, with one database and one Redis, as on several hosts.

Limits are exact over all of them, a session ends everywhere at once, and no request is lost when an
instance stops or dies.
"""

from __future__ import annotations

import os
import signal
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import Client, TestResponse

from tests import live, needs
from tests.browser import FORM_REFUSED, PASSWORD, SIGN_IN, Browser
from tests.live import Answer, Site, connect_unix, read_answer
from tests.marks import asvs, practice
from tests.races import TIMEOUT

REQUESTS = 24  # of one client; Nginx lets through 40 at once
Send = Callable[[str, str, dict[str, str], bytes], Answer]


class Remote:
    """In place of the app: a browser's requests go out over the wire."""

    def __init__(self, app: Flask, send: Send) -> None:
        self.app = app
        self.send = send

    def __getattr__(self, name: str) -> Any:
        return getattr(self.app, name)  # looks into the database, and runs commands

    def test_client(self, use_cookies: bool = True) -> Client:
        return Client(self.forward, response_wrapper=TestResponse, use_cookies=use_cookies)

    def forward(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        query = f"?{environ['QUERY_STRING']}" if environ["QUERY_STRING"] else ""
        headers = {
            name.removeprefix("HTTP_").replace("_", "-").title(): value
            for name, value in environ.items()
            if name.startswith(("HTTP_", "CONTENT_TYPE"))
        }
        body = environ["wsgi.input"].read()
        answer = self.send(environ["REQUEST_METHOD"], environ["PATH_INFO"] + query, headers, body)
        start_response(f"{answer.status} Status", answer.headers)
        return [answer.body.encode()]


def through_nginx(site: Site, source: str) -> Send:
    """Requests from one address of the clients' network."""
    return lambda method, path, headers, body: site.request(
        method, path, headers=headers, body=body or None, source=source
    )


def straight(path: Path) -> Send:
    """Requests to one instance, as Nginx makes them."""

    def send(method: str, target: str, headers: dict[str, str], body: bytes) -> Answer:
        with connect_unix(path) as connection:
            connection.request(method, target, body=body or None, headers=headers)
            return read_answer(connection.sock, method)

    return send


@pytest.fixture(scope="module")
def instances(
    environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Site, list[Path]]]:
    """Three of one worker each, and the Nginx before them."""
    needs.program("redis-server")  # in memory, each instance counts for itself
    with ExitStack() as stack:
        one_worker = environment | {"WEB_CONCURRENCY": "1"}
        folders = [tmp_path_factory.mktemp("instance") for _ in range(3)]
        sockets = [
            stack.enter_context(live.gunicorn(folder, one_worker, "tests.sample.wsgi:app"))
            for folder in folders
        ]
        yield stack.enter_context(live.nginx(tmp_path_factory.mktemp("nginx"), *sockets)), sockets


@pytest.fixture
def clients(app: Flask, instances: tuple[Site, list[Path]]) -> Callable[[], Browser]:
    """Signed-in users, each from an address of their own."""
    numbers = count(1)

    def client() -> Browser:
        number = next(numbers)
        email = f"user{number}@example.com"
        Browser(app, f"203.0.113.{number}").with_password(email)
        browser = Browser(Remote(app, through_nginx(instances[0], f"127.9.0.{number}")))
        browser.sign_in(email, PASSWORD)
        assert browser.is_signed_in()
        return browser

    return client


def test_each_instance_gets_its_share(instances: tuple[Site, list[Path]]) -> None:
    site, sockets = instances
    for _ in range(30):
        assert site.get("/healthz").status == 200
    for path in sockets:
        assert '"/healthz"' in (path.parent / "app.log").read_text()


@practice("rate_limits")
@asvs("2.4.1", "6.3.1")
def test_the_limits_are_exact_over_all_instances(
    app: Flask, instances: tuple[Site, list[Path]]
) -> None:
    send = through_nginx(instances[0], "127.9.1.1")
    headers = Browser(app).headers("POST") | {"Content-Type": "application/x-www-form-urlencoded"}
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda _: send("POST", SIGN_IN, headers, b"a=b").status, range(36))
        statuses = Counter(answers)
    assert statuses == {FORM_REFUSED: 10, 429: 26}


@practice("auth.sessions")
@asvs("7.4.1")
def test_a_session_that_ends_has_ended_at_every_instance(
    app: Flask, instances: tuple[Site, list[Path]], clients: Callable[[], Browser]
) -> None:
    victim = clients()
    thieves = [Browser(Remote(app, straight(path))) for path in instances[1]]
    for thief in thieves:
        thief.use_credential(victim.credential())
        assert thief.is_signed_in()
    victim.sign_out()
    assert [thief.is_signed_in() for thief in thieves] == [False] * len(thieves)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=lambda how: how.name)
def test_an_instance_that_stops_costs_nobody_a_request(
    instances: tuple[Site, list[Path]], clients: Callable[[], Browser], how: signal.Signals
) -> None:
    """Stopped, it finishes what it began; killed, what only reads goes to another instance."""
    site, sockets = instances
    people = [clients() for _ in range(4)]
    path = next(path for path in sockets if live.accepts(path))

    def use(browser: Browser) -> list[int]:
        """Reads, and writes as long as nobody is killed: a write may have been done."""
        statuses = []
        for number in range(REQUESTS):
            if how == signal.SIGTERM and number % 6 == 0:
                browser.write(f"Row {number}")
            statuses.append(browser.get("/healthz").status_code)
            statuses.append(int(browser.is_signed_in()) and 200)
            time.sleep(0.05)  # seconds; Nginx lets 20 a second through
        return statuses

    instance = processes(path)
    if how == signal.SIGKILL:  # it dies over requests of which no answer has begun
        for pid in instance:
            os.kill(pid, signal.SIGSTOP)
    with ThreadPoolExecutor(len(people)) as pool:
        answers = [pool.submit(use, browser) for browser in people]
        time.sleep(0.5)
        for pid in instance:
            os.kill(pid, how)
        assert not all(answer.done() for answer in answers)
        for answer in answers:
            assert set(answer.result(60)) == {200}
    assert not live.accepts(path)
    assert site.get("/healthz").status == 200


def test_a_killed_master_is_replaced(
    environment: dict[str, str], instances: tuple[Site, list[Path]]
) -> None:
    """Its worker lives on for a moment; the new master has the socket, and it ends by itself."""
    site, sockets = instances
    path = next(path for path in sockets if live.accepts(path))
    master, *orphans = processes(path)
    assert orphans
    os.kill(master, signal.SIGKILL)
    with live.gunicorn(path.parent, environment):  # as whatever runs the service does
        live.wait_until(lambda: not any(map(runs, orphans)), TIMEOUT)
        live.wait_until(lambda: live.accepts(path), TIMEOUT)
        assert not set(processes(path)) & {master, *orphans}
        for _ in range(10):
            assert site.get("/healthz").status == 200


def runs(pid: int) -> bool:
    """Whether the process is there and has not ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False
    return "State:\tZ" not in status


def processes(path: Path) -> list[int]:
    """The instance that listens there: its master first, and its workers."""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        peer = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return with_workers(struct.unpack("3i", peer)[0])


def with_workers(master: int) -> list[int]:
    """A master and its workers."""
    workers = Path(f"/proc/{master}/task/{master}/children").read_text().split()
    return [master, *map(int, workers)]
