"""The cost of a password hash, and of a flood of sign-ins for signed-in users.

Each request of the flood has another address and account, so that no limit stops it. For
comparison it also runs without the bound on simultaneous hashes.
"""

from __future__ import annotations

import json
import multiprocessing
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from multiprocessing.synchronize import Event
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from urllib.parse import urlencode

from tools.bench.measure import Place, Result, Server, Service, http_request
from tools.bench.overhead import add_account, sign_in

ROUNDS = 3
CLIENTS = 40  # each signs in again after each answer
REQUESTS = 8  # of the user who is signed in, in a round
HASHING = Path(__file__).with_name("hashing.py")
UNBOUNDED = """import threading
from app.security import hash_slots
hash_slots.slots = threading.BoundedSemaphore(1000)
from wsgi import app
"""


def measure(place: Place) -> Result:
    """Hashes per second and their memory; then the flood, with and without the bound."""
    service = place.service(auth="session")
    alone, three = json.loads(service.run(HASHING).stdout)
    (service.folder / "unbounded.py").write_text(UNBOUNDED, encoding="utf-8")
    floods = [flood(service, application) for application in ("wsgi:app", "unbounded:app")]
    if floods[1]["checked"] < 1:
        raise RuntimeError("the service without its bound refused sign-ins; update UNBOUNDED")
    rows = [
        ["CPU of a hash", f"{alone['cpu'] * 1000:.0f} ms", ""],
        ["hashes a second, three at a time to one", f"{three['rate'] / alone['rate']:.1f}x", ""],
        ["memory of a hash", f"{three['memory'] / 2**20:.0f} MiB", ""],
    ]
    for label, key, text in (
        ("sign-ins that were checked; the others got 503", "checked", "{:.0%}"),
        ("signed-in page: median time in the flood to idle", "median", "{:.0f}x"),
        ("the same, of the slowest twentieth", "slowest", "{:.0f}x"),
        ("a process grew by", "memory", "{:.0f} MiB"),
    ):
        rows.append([label, *(text.format(found[key]) for found in floods)])
    return Result(
        "Signing in, and a flood of it",
        ("", "Service", "Without its bound"),
        rows,
        [
            f"{CLIENTS} clients sign in without a pause; the service has two processes of four "
            f"threads as in production, on the same cores. In {ROUNDS} rounds, with and without "
            f"this flood, a user sends {REQUESTS} requests for a page of 20 rows. A process hashes "
            "at most three passwords at once; without this bound, all its threads do."
        ],
    )


def flood(service: Service, application: str) -> dict[str, float]:
    """Answers to the flood, and answer times of the signed-in user during it."""
    idle: list[float] = []
    flooded: list[float] = []
    statuses: list[dict[int, int]] = []
    with (
        service.production() as environment,
        service.gunicorn(environment, application=application, workers=2) as server,
    ):
        add_account(service, environment)
        page = http_request("GET", "/notes/", sign_in(server, pages=True))
        timed(server, page)  # warm
        before = peaks(server)
        for number in range(ROUNDS):
            idle += timed(server, page)
            stop, results = multiprocessing.Event(), multiprocessing.SimpleQueue()
            crowd = multiprocessing.Process(target=attack, args=(server, number, stop, results))
            crowd.start()
            results.get()  # all have begun
            flooded += timed(server, page)
            stop.set()
            statuses.append(results.get())
            crowd.join()
        grown = max(after - before[pid] for pid, after in peaks(server).items())
    return {
        "checked": sum(found.get(401, 0) for found in statuses)
        / sum(sum(found.values()) for found in statuses),
        "median": median(flooded) / median(idle),
        "slowest": quantiles(flooded, n=20)[-1] / quantiles(idle, n=20)[-1],
        "memory": grown / 1024,
    }


def timed(server: Server, request: bytes) -> list[float]:
    """Seconds of each request; they run one after the other."""
    return [server.load(request, 1, clients=1).seconds for _ in range(REQUESTS)]


def attack(server: Server, number: int, stop: Event, results: Any) -> None:
    """Sign in until the flood ends, each time with another address and account."""
    statuses: dict[int, int] = {}
    lock, serial = threading.Lock(), count(number * 100_000)
    page = server.ask("GET", "/auth/login")
    form = page.body.decode().partition("<main")[2]
    token = re.findall(r'name="csrf_token"[^>]* value="([^"]+)"', form)[0]

    def client() -> None:
        while not stop.is_set():
            n = next(serial)
            headers = {
                "Cookie": page.cookie(),
                "Content-Type": "application/x-www-form-urlencoded",
                "Referer": "https://service.test/",
                "X-Forwarded-For": f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}",
            }
            fields = {"email": f"user{n}@example.com", "password": "wrong", "csrf_token": token}
            status = server.ask("POST", "/auth/login", headers, urlencode(fields)).status
            with lock:
                statuses[status] = statuses.get(status, 0) + 1

    with ThreadPoolExecutor(CLIENTS) as pool:
        clients = [pool.submit(client) for _ in range(CLIENTS)]
        while not statuses and not all(it.done() for it in clients):
            time.sleep(0.01)
        statuses.clear()
        results.put(True)
    for each in clients:
        each.result()  # raises what ended a client
    results.put(statuses)


def peaks(server: Server) -> dict[int, int]:
    """The peak memory of each worker, in KiB."""
    return {pid: peak(pid) for pid in server.pids()[1:]}


def peak(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0])
