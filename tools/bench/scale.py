"""The speed of the service with many rows, more workers and more instances.

Uses the API with access tokens: its requests are small, and sign-in is not measured. The compared
services alternate; the result is the ratio to the first of them.
"""

from __future__ import annotations

import json
import random
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPResponse
from itertools import count, cycle
from pathlib import Path
from statistics import median

from tools.bench.measure import (
    TIMEOUT,
    Load,
    Place,
    Result,
    Server,
    Service,
    alternately,
    http_request,
    ratio,
)

FILLING = Path(__file__).with_name("filling.py")
BEHIND = Path(__file__).with_name("behind.py")
DATABASES = {"sqlite": "SQLite", "postgresql": "PostgreSQL", "mysql": "MariaDB"}
SIZES = (1_000, 100_000, 1_000_000)  # notes
ROUNDS = 15
REQUESTS = 20  # of each kind, size and round
WORKERS = (1, 2, 4)
INSTANCES = (1, 2, 3)
LOAD_ROUNDS = 7
LOAD = 640  # requests of each side and round
CLIENTS = 8  # at a time
BURST = 40  # simultaneous requests of one address that deploy/nginx/ allows
NOTES = "/api/v1/notes"


def measure(place: Place) -> Result:
    """Latency by the number of notes on each database; throughput by workers and instances."""
    rows = []
    for database in DATABASES:
        rows += by_size(place.service(database=database, auth="token"), DATABASES[database])
    service = place.service(database="postgresql", auth="token")
    with service.production() as environment:
        rows += by_processes(service, environment, fill(service, environment, SIZES[1]))
    first, second, third = (f"{size:,}" for size in SIZES)
    return Result(
        "More rows, more workers, more instances: what a request of the API costs then",
        ("Request", "At", "First", "Second", "Third"),
        rows,
        [
            f"Notes: the time of an answer with {first} notes in the database, then the ratios for "
            f"{second} and {third} notes; medians of {ROUNDS} alternating rounds of {REQUESTS} "
            "requests, one at a time. The account that sends the requests has a tenth of the "
            "notes; the requested pages come from all parts of its list, by cursor.",
            "Workers and instances: answers a second, then the ratios to that; medians of "
            f"{LOAD_ROUNDS} rounds of {LOAD} requests, {CLIENTS} at a time, on PostgreSQL with "
            f"{second} notes. Each instance has one worker; Nginx with `deploy/nginx/` of the "
            "service and TLS is in front of them. The load, Nginx, PostgreSQL and the workers "
            "share the cores of one machine: with two cores, a second worker gets a part of a core "
            "and a third worker nothing. CPU is that of the workers only: it shows whether they "
            "slow each other.",
        ],
    )


# --- Rows


@dataclass(frozen=True)
class Filled:
    """Data for requests to a filled database: access tokens, and ids of one account's notes."""

    token: str
    writers: Iterator[str]
    ids: list[str]


def fill(service: Service, environment: Mapping[str, str], notes: int) -> Filled:
    """Fill the database with this number of notes, their accounts and sessions."""
    started = time.monotonic()
    made = json.loads(service.run(FILLING, str(notes), environment=environment).stdout)
    print(f"{service.folder.name}: {notes} notes in {time.monotonic() - started:.0f} s", flush=True)
    return Filled(made["token"], cycle(made["writers"]), made["ids"])


def by_size(service: Service, database: str) -> list[list[str]]:
    """A row for each kind of request: one service with three numbers of notes."""
    times: dict[str, dict[int, list[float]]] = {}
    with ExitStack() as stack:
        sides: dict[int, tuple[Server, Filled]] = {}
        for size in SIZES:
            environment = stack.enter_context(service.production())
            filled = fill(service, environment, size)
            sides[size] = stack.enter_context(service.gunicorn(environment)), filled
        for number in range(ROUNDS + 1):
            for kind, request in KINDS.items():
                for size in random.sample(SIZES, len(SIZES)):
                    server, filled = sides[size]
                    taken = [elapsed(server, *request(filled)) for _ in range(REQUESTS)]
                    if number:  # the first round warms up
                        times.setdefault(kind, {}).setdefault(size, []).append(median(taken))
    steps = " / ".join(f"{size:,}" for size in SIZES)
    rows = []
    for kind, found in times.items():
        first, *more = (found[size] for size in SIZES)
        ratios = [f"{ratio(other, first):.2f}" for other in more]
        base = f"{median(first) * 1000:.2f} ms"
        rows.append([f"{database}: {kind}", f"{steps} notes", base, *ratios])
        print(" ".join(rows[-1]), flush=True)
    return rows


Request = tuple[str, str, str, str]  # method, path, access token, body
KINDS: dict[str, Callable[[Filled], Request]] = {
    "first page of 20": lambda it: ("GET", NOTES, it.token, ""),
    "any page of 20": lambda it: ("GET", f"{NOTES}?before={random.choice(it.ids)}", it.token, ""),  # noqa: S311
    "read a note": lambda it: ("GET", f"{NOTES}/{random.choice(it.ids)}", it.token, ""),  # noqa: S311
    "write a note": lambda it: ("POST", NOTES, next(it.writers), '{"title": "T", "body": "B"}'),
}


def headers(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}


def elapsed(server: Server, method: str, path: str, token: str, body: str) -> float:
    """Seconds until the end of the answer.

    :raises RuntimeError: if the status is not that of a success.
    """
    started = time.perf_counter()
    answer = server.ask(method, path, headers(token), body)
    seconds = time.perf_counter() - started
    if answer.status not in (200, 201):
        raise RuntimeError(f"{method} {path} answers {answer.status}: {answer.body[:400]!r}")
    return seconds


# --- Workers and instances


def by_processes(
    service: Service, environment: Mapping[str, str], filled: Filled
) -> list[list[str]]:
    """Requests per second and CPU time, by number of workers and by number of instances."""
    page, request = "first page of 20", http_request("GET", NOTES, headers(filled.token))
    with ExitStack() as stack:
        sides = {}
        for number in WORKERS:
            server = stack.enter_context(service.gunicorn(environment, workers=number))
            sides[str(number)] = loaded(server, request)
        rows = shown(page, "workers", alternately(LOAD_ROUNDS, sides))
    with ExitStack() as stack:
        started = [
            stack.enter_context(service.gunicorn(environment)) for _ in range(max(INSTANCES))
        ]
        sides = {}
        for number in INSTANCES:
            site = stack.enter_context(nginx(service, started[:number]))
            sides[str(number)] = through(site, started[:number], filled.token)
        rows += shown(f"{page}, Nginx", "instances", alternately(LOAD_ROUNDS, sides))
    return rows


def loaded(server: Server, request: bytes) -> Callable[[], Load]:
    return lambda: server.load(request, LOAD, clients=CLIENTS)


def shown(what: str, of: str, measured: dict[str, list[Load]]) -> list[list[str]]:
    """Requests per second and CPU time, each with its ratio to the first side."""
    names = f"{' / '.join(measured)} {of}"
    first, *more = measured.values()
    rows = []
    for label, value, unit in (
        (f"{what}, answers a second", lambda load: load.per_second, "/s"),
        (f"{what}, CPU of the service", lambda load: load.cpu_per_request / 1000, " ms"),
    ):
        base = [value(load) for load in first]
        ratios = [f"{ratio([value(load) for load in side], base):.2f}" for side in more]
        rows.append([label, names, f"{median(base):.3g}{unit}", *ratios])
        print(" ".join(rows[-1]), flush=True)
    return rows


@dataclass(frozen=True)
class Site:
    """A running Nginx of the service."""

    address: str
    port: int
    ca: str
    domain: str


@contextmanager
def nginx(service: Service, instances: Sequence[Server]) -> Iterator[Site]:
    """The service's own Nginx before these instances, until the block ends."""
    with service.helper(BEHIND, *(server.socket for server in instances)) as shown:
        yield Site(**shown)


def through(site: Site, instances: Sequence[Server], token: str) -> Callable[[], Load]:
    """Send requests through Nginx in bursts: one connection and one address for each burst."""
    lines = ["GET %s HTTP/1.1", "Host: %s", "Authorization: Bearer %s", "", ""]
    request = ("\r\n".join(lines) % (NOTES, site.domain, token)).encode()
    context = ssl.create_default_context(cafile=site.ca)
    wrong: list[int] = []

    def client() -> None:
        for _ in range(LOAD // CLIENTS // BURST):
            with (
                socket.create_connection(
                    (site.address, site.port), TIMEOUT, (loopback(next(ADDRESSES)), 0)
                ) as plain,
                context.wrap_socket(plain, server_hostname=site.domain) as connected,
            ):
                for _ in range(BURST):
                    connected.sendall(request)
                    with HTTPResponse(connected, method="GET") as response:
                        response.begin()
                        response.read()
                        if response.status != 200:
                            wrong.append(response.status)
                            return

    def load() -> Load:
        with ThreadPoolExecutor(CLIENTS) as pool:
            cpu, started = sum(it.cpu() for it in instances), time.perf_counter()
            for each in [pool.submit(client) for _ in range(CLIENTS)]:
                each.result()  # raises what ended a client
            seconds = time.perf_counter() - started
        if wrong:
            raise RuntimeError(f"answers through Nginx without status 200: {wrong}")
        return Load(LOAD, seconds, sum(it.cpu() for it in instances) - cpu)

    return load


ADDRESSES = count()  # of clients: Nginx allows one burst for each address


def loopback(number: int) -> str:
    """Another address of this machine for each number."""
    return f"127.77.{number // 250 % 250}.{number % 250 + 1}"
