"""Visitors of a service: what each connection came to, and what each acknowledged write became.

Newcomers open a connection for each request; one visitor keeps a connection; writers are signed in
and write notes. Each has an address of its own, for the limits count by address.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPSConnection

from tests.live.visitor import Reader
from tools.cluster.place import Failed, run_folder
from tools.cluster.service import Service

NEWCOMERS, WRITERS = 3, 2
PAUSE = {"new": 0.4, "kept": 0.5, "write": 1.5}  # seconds between requests of one visitor
PATIENCE = 10  # seconds for a connection or an answer
READS = 12  # a second, of one address; the service lets 20 through
PAGE = "/auth/login"
Problem = (OSError, HTTPException)


@dataclass
class Phase:
    """What visitors met during one step."""

    counts: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    gap: float = 0.0  # seconds between two good answers to newcomers, at most

    @property
    def new(self) -> int:
        return self.counts["new"]

    @property
    def lost(self) -> int:
        """Connections without an answer."""
        return self.counts["lost"]

    @property
    def refused(self) -> int:
        """Answers of the service's own that something is out of order: 5xx, 429."""
        return self.counts["refused"]


class Visitors:
    """All visitors of a service. ``phase`` is the one that is counted now."""

    def __init__(self, service: Service, network: int) -> None:
        self.service, self.network = service, network
        self.phases: dict[str, Phase] = defaultdict(Phase)
        self.phase = "begin"
        self.notes: dict[int, list[tuple[str, str]]] = defaultdict(list)
        self.writers = {n: self.reader(100 + n) for n in range(WRITERS)}
        self.lock, self.done, self.quiet = threading.Lock(), threading.Event(), threading.Event()
        self.good = time.monotonic()
        self.threads: list[threading.Thread] = []

    def connect(self, host: int) -> socket.socket:
        """A connection of the visitor with this number."""
        source = (f"10.77.{self.network}.{host}", 0)
        return socket.create_connection((self.service.address, 443), PATIENCE, source)

    def reader(self, host: int) -> Reader:
        authority = (run_folder() / "outside/outside.crt").read_text("utf-8")
        return Reader(self.service.domain, lambda: self.connect(host), authority)

    def start(self) -> None:
        """Sign the writers up and set everybody going."""
        for number, writer in self.writers.items():
            writer.sign_up(f"writer{number}@example.com")
        work: list[tuple[Callable[..., None], int]] = [(self._keep, 50)]
        work += [(self._come, 10 + n) for n in range(NEWCOMERS)]
        work += [(self._write, n) for n in range(WRITERS)]
        for function, number in work:
            self.threads.append(threading.Thread(target=function, args=(number,), daemon=True))
            self.threads[-1].start()

    def stop(self) -> None:
        """Send everybody home."""
        self.done.set()
        for thread in self.threads:
            thread.join(60)

    def begin(self, name: str) -> Phase:
        """Count from now on for this step."""
        with self.lock:
            self.phase, self.good = name, time.monotonic()
            return self.phases[name]

    def count(self, name: str, kind: str, what: str) -> None:
        """One request came to an end: 200, another status, or an error's name."""
        with self.lock:
            phase, now = self.phases[name], time.monotonic()
            phase.counts[kind] += 1
            if what in ("200", "302", "303"):
                if kind == "new":
                    phase.gap, self.good = max(phase.gap, now - self.good), now
                return
            phase.counts["refused" if what.isdecimal() else "lost"] += 1
            phase.problems.append(f"{time.strftime('%T')} {kind}: {what}")

    def _come(self, host: int) -> None:
        reader = self.reader(host)
        while not self.done.wait(PAUSE["new"]):
            name = self.phase
            reader.cookies.clear()
            try:
                what = str(reader.request("GET", PAGE)[0])
            except Problem as error:
                what = repr(error)
            self.count(name, "new", what)

    def _keep(self, host: int) -> None:
        """As a browser does: a request on a connection that was closed meanwhile is sent anew."""
        connection: HTTPSConnection | None = None
        tls = ssl.create_default_context(cafile=run_folder() / "outside/outside.crt")
        while not self.done.wait(PAUSE["kept"]):
            name, what = self.phase, ""
            for attempt in range(2):
                try:
                    if connection is None:
                        connection = HTTPSConnection(self.service.domain, context=tls)
                        connection.sock = tls.wrap_socket(
                            self.connect(host), server_hostname=self.service.domain
                        )
                        attempt = 1
                    connection.request("GET", PAGE)
                    answer = connection.getresponse()
                    answer.read()
                    what = str(answer.status)
                    if answer.will_close:
                        connection.close()
                        connection = None
                    break
                except Problem as error:
                    if connection:
                        connection.close()
                    connection, what = None, repr(error)
                    if attempt:
                        break
            self.count(name, "kept", what)

    def _write(self, number: int) -> None:
        writer = self.writers[number]
        while not self.done.wait(PAUSE["write"]):
            if self.quiet.is_set():
                continue
            name, title = self.phase, f"note {number} {time.monotonic_ns()}"
            try:
                status = writer.post("/notes/new", title=title, body="kept")
                what = str(status)
                if status in (302, 303):
                    self.notes[number].append((writer.location, title))
            except AssertionError as error:  # no form: the answer is another page
                status = error.args[0][0]
                what = "signed out" if status in (302, 303) else str(status)
            except Problem as error:
                what = repr(error)
            self.count(name, "write", what)

    def acknowledged(self) -> int:
        return sum(map(len, self.notes.values()))

    def missing(self) -> list[str]:
        """Read every note that was acknowledged; the titles of those that are not there."""
        gone = []
        for number, writer in self.writers.items():
            for location, title in self.notes[number]:
                status, page = writer.request("GET", location)
                if status != 200 or title not in page:
                    gone.append(title)
                time.sleep(1 / READS)
        return gone


def first_answer(service: Service, visitors: Visitors, seconds: float = 90) -> None:
    """Wait until a visitor gets a page over HTTPS, with a certificate that is verified."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            status = visitors.reader(9).request("GET", PAGE)[0]
        except Problem as error:
            status = repr(error)
        if status == 200:
            return
        if time.monotonic() > deadline:
            raise Failed(f"{service.name}: no page over HTTPS: {status}")
        time.sleep(1)
