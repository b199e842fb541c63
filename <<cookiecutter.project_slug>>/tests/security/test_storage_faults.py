"""Redis fails in every way that a real one has: no request fails with it, and no limit ends."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from redis import BusyLoadingError, OutOfMemoryError, Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from app.security.limit_storage import FallbackStorage
from tests.browser import FORM_REFUSED, SIGN_IN, WRITE, Browser
from tests.conftest import running_redis
from tests.live import wait_until
from tests.marks import asvs, practice
from tests.races import at_once

pytestmark = [practice("rate_limits"), pytest.mark.usefixtures("needs_redis")]

WRONG = "wrong-lantern-orbit-7-thistle"
DEPLOYED = (
    "compose.yaml",
    "deploy/systemd/app-redis.service",
    "deploy/kubernetes/base/valkey.conf",
)


@dataclass
class Server:
    """A Redis of this test alone."""

    process: subprocess.Popen[bytes]
    socket: Path
    client: Redis


def connect(socket: Path) -> Redis:
    """A client that tries once."""
    return Redis(unix_socket_path=str(socket), retry=Retry(NoBackoff(), 0))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    socket = tmp_path / "redis.sock"
    with running_redis(socket) as process, connect(socket) as client:
        assert process is not None
        yield Server(process, socket, client)


@pytest.fixture
def service(server: Server, app: Flask, make_app: Callable[..., Flask]) -> Flask:
    """The service with that Redis; its database is empty, since ``app`` has emptied it."""
    return make_app(REDIS_URL=f"redis+unix://{server.socket}")


@contextmanager
def frozen(server: Server) -> Iterator[None]:
    """It takes connections and does not answer."""
    server.process.send_signal(signal.SIGSTOP)
    yield
    server.process.send_signal(signal.SIGCONT)


@contextmanager
def refused(server: Server) -> Iterator[None]:
    """Its socket is there, and nobody listens."""
    server.process.kill()
    server.process.wait()
    yield


@contextmanager
def loading(server: Server) -> Iterator[None]:
    """It has started again, and reads its file for 40 seconds."""
    server.client.config_set("rdbcompression", "no")
    for number in range(400):
        server.client.set(f"filler {number}", "x" * 4096)
    server.client.save()
    server.process.kill()
    server.process.wait()
    delays = {"key-load-delay": "100000", "loading-process-events-interval-bytes": "1024"}

    def is_loading() -> bool:
        with pytest.raises(BusyLoadingError):
            server.client.ping()
        return True

    with running_redis(server.socket, **delays):
        assert is_loading()
        yield
        assert is_loading(), "it was ready before the test ended"


@contextmanager
def full(server: Server) -> Iterator[None]:
    """It takes nothing new."""
    server.client.config_set("maxmemory", 1)  # byte
    yield
    server.client.config_set("maxmemory", 0)


@contextmanager
def read_only(server: Server) -> Iterator[None]:
    """A failover has made it the replica of another."""
    server.client.execute_command("REPLICAOF", "127.0.0.1", "1")
    yield
    server.client.execute_command("REPLICAOF", "NO", "ONE")


def attempt(app: Flask, number: int = 0, email: str = "somebody@example.com") -> int:
    """One sign-in with a wrong password, from the address of this number."""
    return Browser(app, f"192.0.2.{number}").attempt(email, WRONG).status_code


def wait_for_time(seconds: int) -> None:
    """Wait for the next minute when this one ends too soon.

    Counts in memory belong to whole minutes: at the end of one, a sliding window lets a few more
    pass, which is right, and would make an exact count depend on the clock.
    """
    if (left := 60 - time.time() % 60) < seconds:
        time.sleep(left + 0.1)


@asvs("2.4.1", "6.3.1", "16.5.2")
@pytest.mark.parametrize("fault", [frozen, refused, loading, full, read_only])
def test_no_request_fails_with_redis_and_the_limits_go_on(
    server: Server, service: Flask, fault: Callable[[Server], Any]
) -> None:
    # Several threads find out at the same moment: each of them goes on, and each of them counts.
    alice = Browser(service, "203.0.113.1").sign_up("alice@example.com")
    writers = [Browser(service, "203.0.113.1") for _ in range(6)]
    for writer in writers:
        writer.use_credential(alice.credential())
    wait_for_time(20)
    with fault(server):
        statuses = at_once(*[lambda: attempt(service)] * 6)
        assert statuses == [401] * 6
        assert [attempt(service) for _ in range(5)] == [401] * 4 + [429]
        written = at_once(*[lambda it=it: it.post_form(WRITE).status_code for it in writers])
        assert written == [FORM_REFUSED] * 6
        written = [alice.post_form(WRITE).status_code for _ in range(55)]
        assert written == [FORM_REFUSED] * 54 + [429]
        ready = alice.get("/readyz")
        assert (ready.status_code, ready.get_json()["rate_limits"]) == (200, "degraded")


@asvs("16.3.4")
@pytest.mark.parametrize("fault", [frozen, full, read_only])
def test_the_fault_and_its_end_are_logged_once(
    server: Server,
    service: Flask,
    fault: Callable[[Server], Any],
    log: Callable[[], list[dict[str, Any]]],
) -> None:
    with fault(server):
        at_once(*[lambda: attempt(service)] * 6)
        Browser(service).get("/readyz")
    assert Browser(service).get("/readyz").get_json()["rate_limits"] == "ok"
    assert attempt(service) == 401  # counted in Redis, where there was no attempt before
    assert server.client.keys("LIMITS:*")
    events = [line["event"] for line in log() if line["event"].startswith("sys_rate_limits")]
    assert events == ["sys_rate_limits_degraded", "sys_rate_limits_restored"]


@asvs("15.4.1")
def test_threads_that_start_a_counter_at_the_same_moment_all_count(tmp_path: Path) -> None:
    # Guesses sent together would pass as one, each time that a window begins.
    storage = FallbackStorage(f"fallback+redis+unix://{tmp_path}/nobody.sock")
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # seconds: threads take turns inside of each step
    try:
        for number in range(1_000):
            key = f"counter {number}"
            count = partial(storage.acquire_sliding_window_entry, key, 100, 600)
            assert at_once(*[count] * 6) == [True] * 6
            assert storage.get_sliding_window(key, 600)[2] == 6
    finally:
        sys.setswitchinterval(interval)


def test_the_limits_return_to_redis_though_nobody_asks_for_readiness(
    server: Server, service: Flask
) -> None:
    with frozen(server):
        attempt(service)
    assert not server.client.keys("LIMITS:*")

    def is_counted_in_redis() -> bool:
        Browser(service).post_form(SIGN_IN)
        return bool(server.client.keys("LIMITS:*"))

    wait_until(is_counted_in_redis)


def test_a_frozen_redis_delays_few_requests(server: Server, service: Flask) -> None:
    # A second for each would hold all threads: nobody could sign in, and no page would be served.
    def connections() -> int:
        return int(server.client.info("stats")["total_connections_received"])

    before, start = connections(), time.monotonic()
    with frozen(server):
        for number in range(30):
            Browser(service, f"192.0.2.{number}").post_form(SIGN_IN)
    pauses = (time.monotonic() - start) / 5  # seconds that one of them lasts
    assert connections() - before <= 2 + pauses, "more than one request in each pause has waited"


@asvs("2.4.1", "6.3.1")
def test_a_flood_of_counters_does_not_set_back_the_one_of_a_victim(
    app: Flask, make_app: Callable[..., Flask], tmp_path: Path
) -> None:
    # Redis as it is deployed. One that makes room begins with the counters that end first: those
    # of sign-ins, when the flood is of sign-ups. Then a password may be guessed without end.
    (deployed,) = (path for name in DEPLOYED if (path := Path(name)).exists())
    found = re.findall(r"\b(maxmemory(?:-policy)?) (\S+)", deployed.read_text(encoding="utf-8"))
    settings = dict(found)
    assert settings.keys() == {"maxmemory", "maxmemory-policy"}
    socket = tmp_path / "redis.sock"
    with ExitStack() as stack:
        stack.enter_context(running_redis(socket, **settings))
        service = make_app(REDIS_URL=f"redis+unix://{socket}")
        assert [attempt(service, number) for number in range(11)] == [401] * 10 + [429]
        client = stack.enter_context(connect(socket))
        for size in (100_000, 1_000, 10):  # bytes, for two hours, as a counter of sign-ups
            with suppress(OutOfMemoryError):
                for number in range(2_000):
                    client.set(f"LIMITS:{size} {number}", "x" * size, px=7_200_000)
        for number in range(20, 30):
            assert attempt(service, number) == 429, "the counter of the victim is gone"
        with pytest.raises(OutOfMemoryError):  # it is full indeed
            client.set("LIMITS:more", "x" * 1_000_000)
        # Another account is counted in memory, or in what room is left: ten times in each.
        wait_for_time(20)
        others = [attempt(service, number, "other@example.com") for number in range(30, 55)]
        assert others[:10] == [401] * 10
        assert others.count(401) <= 20
        assert set(others) == {401, 429}
