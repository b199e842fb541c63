"""Tests that are copied into a rendered service: Sentinel and Redis Cluster, by real servers.

docs/scale.md of the template has the statements. All servers listen on the loopback only.
"""

from __future__ import annotations

import selectors
import shutil
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from subprocess import Popen

import pytest
from app.security.rate_limits import SIGN_IN, limiter
from flask import Flask
from limits import RateLimitItem, parse
from limits.storage import storage_from_string
from limits.strategies import SlidingWindowCounterRateLimiter
from redis import Redis, RedisError
from redis.sentinel import Sentinel

from tests.browser import Browser
from tests.live import PATH, accepts, running, wait_until

HERE = "127.0.0.1"
NAME = "limits"  # of the group of servers, for the sentinels
DOWN_AFTER = 4000  # ms of silence: long enough for all attempts in memory, below
ALLOWED = 10
LIMIT = parse(SIGN_IN)
WRONG = "wrong-lantern-orbit-7-thistle"


def free_ports(number: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind((HERE, 0))
        return [each.getsockname()[1] for each in sockets]


@contextmanager
def server(folder: Path, port: int, *options: str) -> Iterator[Popen[bytes]]:
    """A redis-server of Debian's package on the loopback, until the block ends."""
    program = shutil.which("redis-server")
    assert program
    folder.mkdir()
    command = [program, *options, "--port", str(port), "--bind", HERE, "--dir", str(folder)]
    command += ["--save", ""]
    log = folder / "log"
    with running(command, log, lambda: accepts((HERE, port)), {"PATH": PATH}) as process:
        yield process


def client(port: int) -> Redis:
    return Redis(host=HERE, port=port, socket_timeout=2)


# --- Sentinel


@dataclass
class Group:
    """A primary, its replica, and three sentinels that watch them."""

    primary: Popen[bytes]
    replica: int
    sentinels: list[tuple[str, int]]

    def current(self) -> tuple[str, int]:
        """The address of the primary.

        :raises RedisError: while the sentinels know none that answers.
        """
        return Sentinel(self.sentinels, socket_timeout=0.5).discover_master(NAME)

    def uri(self) -> str:
        places = ",".join(f"{host}:{port}" for host, port in self.sentinels)
        return f"redis+sentinel://{places}/{NAME}"


@pytest.fixture
def group(tmp_path: Path) -> Iterator[Group]:
    primary, replica, *watching = free_ports(5)
    with ExitStack() as stack:
        first = stack.enter_context(server(tmp_path / "primary", primary))
        follows = ("--replicaof", f"{HERE} {primary}", "--repl-diskless-sync-delay", "0")
        stack.enter_context(server(tmp_path / "replica", replica, *follows))
        for number, port in enumerate(watching):
            file = tmp_path / f"sentinel{number}.conf"  # the sentinel writes into it
            file.write_text(
                f"sentinel monitor {NAME} {HERE} {primary} 2\n"
                f"sentinel down-after-milliseconds {NAME} {DOWN_AFTER}\n"
                f"sentinel failover-timeout {NAME} 10000\n",
                "utf-8",
            )
            stack.enter_context(
                server(tmp_path / f"sentinel{number}", port, str(file), "--sentinel")
            )
        found = Group(first, replica, [(HERE, port) for port in watching])
        asked = client(watching[0])
        wait_until(lambda: client(replica).info("replication")["master_link_status"] == "up")
        wait_until(lambda: len(asked.sentinel_sentinels(NAME)) == 2)
        wait_until(lambda: len(asked.sentinel_slaves(NAME)) == 1)
        yield found


@contextmanager
def one_address(group: Group) -> Iterator[int]:
    """A port that leads to the primary of the moment, as HAProxy or a managed service does."""
    stopped = threading.Event()
    with socket.create_server((HERE, 0)) as listener, ThreadPoolExecutor() as pool:
        listener.settimeout(0.2)

        def serve() -> None:
            while not stopped.is_set():
                with suppress(TimeoutError):
                    pool.submit(forward, listener.accept()[0], group, stopped)

        serving = pool.submit(serve)
        try:
            yield listener.getsockname()[1]
        finally:
            stopped.set()
            serving.result()


def forward(visitor: socket.socket, group: Group, stopped: threading.Event) -> None:
    """Pass bytes in both directions until one side closes."""
    with (
        suppress(RedisError, OSError),
        visitor,
        socket.create_connection(group.current(), 1) as behind,
    ):
        other = {visitor: behind, behind: visitor}
        with selectors.DefaultSelector() as ready:
            for each in other:
                ready.register(each, selectors.EVENT_READ)
            while not stopped.is_set():
                for key, _ in ready.select(0.2):
                    if not (data := key.fileobj.recv(65536)):  # type: ignore[union-attr]
                        return
                    other[key.fileobj].sendall(data)  # type: ignore[index]


def test_a_failover_of_sentinel_loses_no_count_and_the_service_answers_all_the_time(
    group: Group, make_app: Callable[..., Flask]
) -> None:
    strategy = SlidingWindowCounterRateLimiter(storage_from_string(group.uri()))

    def hit() -> str:
        """By the library alone, which asks the sentinels."""
        try:
            return "allowed" if strategy.hit(LIMIT, "library") else "refused"
        except RedisError:
            return "failed"

    with one_address(group) as port:
        app = make_app(REDIS_URL=f"redis://{HERE}:{port}/0")
        attacker, other = Browser(app, "192.0.2.1"), Browser(app, "192.0.2.2")

        def tried(browser: Browser) -> int:
            """An attempt with a wrong password. It never waits long."""
            start = time.monotonic()
            status = browser.attempt(f"{browser.address}@example.com", WRONG).status_code
            assert time.monotonic() - start < 3, "TIMEOUT of limit_storage.py, and a hash"
            return status

        assert attacker.get("/readyz").json["rate_limits"] == "ok"
        assert [tried(attacker) for _ in range(8)] == [401] * 8
        assert [hit() for _ in range(8)] == ["allowed"] * 8
        storage = limiter.storage.redis.storage  # type: ignore[attr-defined]
        assert storage.wait(1, 2000) == 1, "the replica has these counts"

        group.primary.kill()
        assert hit() == "failed"
        # Nobody has taken over yet: this worker counts in its memory.
        assert [tried(other) for _ in range(ALLOWED + 1)] == [401] * ALLOWED + [429]
        ready = other.get("/readyz")
        assert (ready.status_code, ready.json["rate_limits"]) == (200, "degraded")
        wait_until(lambda: other.get("/readyz").json["rate_limits"] == "ok", 60)

        assert group.current() == (HERE, group.replica)
        # A third passes only if a window has ended meanwhile: the counts slide out of it.
        assert Counter(tried(attacker) for _ in range(5))[401] in (2, 3)
        assert Counter(hit() for _ in range(5))["allowed"] in (2, 3)


# --- Redis Cluster


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[dict[int, Popen[bytes]]]:
    """Three primaries with a third of the slots each, by port."""
    free = free_ports(6)
    ports, buses = free[:3], free[3:]
    with ExitStack() as stack:
        started = {}
        for port, bus in zip(ports, buses, strict=True):
            options = ("--cluster-enabled", "yes", "--cluster-port", str(bus))
            options += ("--cluster-require-full-coverage", "no")
            started[port] = stack.enter_context(server(tmp_path / str(port), port, *options))
        for number, port in enumerate(ports):
            first, last = number * 16384 // 3, (number + 1) * 16384 // 3 - 1
            client(port).execute_command("CLUSTER ADDSLOTSRANGE", first, last)
            client(port).execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
        for port, bus in zip(ports[1:], buses[1:], strict=True):
            client(ports[0]).execute_command("CLUSTER MEET", HERE, port, bus)

        def complete() -> bool:
            states = [client(port).execute_command("CLUSTER INFO") for port in ports]
            return all(
                it["cluster_state"] == "ok" and it["cluster_known_nodes"] == "3" for it in states
            )

        wait_until(complete)
        yield started


def test_a_cluster_counts_exactly_and_without_a_node_only_its_keys_fail(
    nodes: dict[int, Popen[bytes]],
) -> None:
    places = ",".join(f"{HERE}:{port}" for port in nodes)
    strategy = SlidingWindowCounterRateLimiter(storage_from_string(f"redis+cluster://{places}"))
    accounts = [sha256(b"%d" % number).hexdigest()[:12] for number in range(30)]

    def hit(account: str, limit: RateLimitItem = LIMIT) -> str:
        try:
            return f"{account} {'allowed' if strategy.hit(limit, account) else 'refused'}"
        except RedisError:
            return f"{account} failed"

    with ThreadPoolExecutor(4) as pool:
        counts = Counter(pool.map(hit, accounts * (ALLOWED + 4)))
    assert counts == Counter(
        {f"{it} allowed": ALLOWED for it in accounts} | {f"{it} refused": 4 for it in accounts}
    )
    kept = {port: client(port).keys("*") for port in nodes}
    assert all(kept.values()), "each node has some of the keys"
    # The two windows of a limit are in one slot, or a script could not read both.
    assert all(b"{" in key and b"}" in key for keys in kept.values() for key in keys)

    dead, process = next(iter(nodes.items()))
    lost = {it for it in accounts if any(f"/{it}/".encode() in key for key in kept[dead])}
    process.kill()
    process.wait()
    with ThreadPoolExecutor(4) as pool:
        after = dict(answer.split() for answer in pool.map(hit, accounts))
    assert {it for it, answer in after.items() if answer == "failed"} == lost
    assert {answer for it, answer in after.items() if it not in lost} == {"refused"}


def test_a_node_of_a_cluster_is_no_redis_for_the_service_and_readiness_says_so(
    nodes: dict[int, Popen[bytes]], make_app: Callable[..., Flask]
) -> None:
    """It counts a third of the keys; the worker counts the others in its memory."""
    for number, port in enumerate(nodes):
        browser = Browser(make_app(REDIS_URL=f"redis://{HERE}:{port}/0"), f"192.0.2.{number}")
        for _ in range(2):
            ready = browser.get("/readyz")
            assert (ready.status_code, ready.json["rate_limits"]) == (200, "degraded")
        statuses = [
            browser.attempt(f"{number}@example.com", WRONG).status_code for _ in range(ALLOWED + 1)
        ]
        assert statuses == [401] * ALLOWED + [429]
