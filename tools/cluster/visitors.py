"""The visitors of a service, and the notes that were acknowledged to them.

Newcomers open a connection for each request; one visitor keeps a connection; writers are signed in
and write notes. Each has an address of its own, for the limits count by address.
"""

from __future__ import annotations

import re
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

from tests.live.visitor import Reader
from tools.cluster import identity, loops, mail
from tools.cluster.environment import ClusterError, run_folder
from tools.cluster.phases import GOOD, Phase
from tools.cluster.service import Service

NEWCOMERS, WRITERS = 3, 2
CONNECTING, ANSWER, RECOVERY = 10, 30, 120  # seconds
READS = 12  # a second, of one address; the service lets 20 through
# In a list of notes, 20 a page: where a note is and its title; and the page with older ones.
LISTED = re.compile(r'href="(/notes/[\w-]+)">([^<]+)</a>')
OLDER = re.compile(r'href="(/notes/\?before=[\w-]+)">Older notes</a>')


class Visitors:
    """All visitors of a service.

    :param network: their addresses are 10.77.NETWORK.1 to .254.
    """

    def __init__(self, service: Service, network: int) -> None:
        self.service, self.network = service, network
        self.phases: dict[str, Phase] = defaultdict(Phase)
        self.phase = "begin"  # the one that is counted now
        self.notes: dict[int, list[tuple[str, str]]] = defaultdict(list)  # path and title
        self.writers = {n: self.reader(100 + n) for n in range(WRITERS)}
        self.lock, self.done, self.quiet = threading.Lock(), threading.Event(), threading.Event()
        self.started = self.good = time.monotonic()
        self.threads: list[threading.Thread] = []

    def connect(self, host: int) -> socket.socket:
        """A connection of the visitor with this number."""
        source = (f"10.77.{self.network}.{host}", 0)
        connection = socket.create_connection((self.service.address, 443), CONNECTING, source)
        connection.settimeout(ANSWER)
        return connection

    def reader(self, host: int) -> Reader:
        """A browser with this address; it trusts only the authority of this run."""
        authority = (run_folder() / "outside/outside.crt").read_text("utf-8")
        return Reader(self.service.domain, lambda: self.connect(host), authority, mail.to)

    def email(self, number: int) -> str:
        """The address of a writer; no other service uses it."""
        return f"writer{number}@{self.service.domain}"

    def start(self) -> None:
        """Sign the writers up and start all visitors."""
        for number, writer in self.writers.items():
            if self.service.auth == "oidc":
                identity.sign_in(writer, f"writer{number}")
            else:
                writer.sign_up(self.email(number))
        work: list[tuple[Callable[[Visitors, int], None], int]] = [(loops.kept, 50)]
        work += [(loops.new, 10 + n) for n in range(NEWCOMERS)]
        work += [(loops.write, n) for n in range(WRITERS)]
        for function, number in work:
            arguments = (self, number)
            self.threads.append(threading.Thread(target=function, args=arguments, daemon=True))
            self.threads[-1].start()

    def sign_in(self) -> None:
        """Sign the writers in again after their sessions have ended."""
        for number, writer in self.writers.items():
            writer.cookies.clear()
            if self.service.auth == "oidc":
                identity.sign_in(writer, f"writer{number}")
                continue
            status = writer.sign_in(self.email(number))
            if status not in (302, 303):
                raise ClusterError(f"{self.service.name}: signing in answers {status}")

    def stop(self) -> None:
        """Stop all visitors."""
        self.done.set()
        for thread in self.threads:
            thread.join(60)

    def begin(self, name: str) -> Phase:
        """Count the following requests for this scenario."""
        with self.lock:
            self.phase, self.good = name, time.monotonic()
            return self.phases[name]

    def count(self, name: str, kind: str, what: str, begun: float) -> None:
        """Record the end of a request of this phase: a status, or the name of an error.

        :param begun: when the request began, by the monotonic clock.
        """
        with self.lock:
            phase, now = self.phases[name], time.monotonic()
            phase.counts[kind] += 1
            phase.slowest = max(phase.slowest, now - begun)
            if what not in GOOD:
                result = "refused" if what.isdecimal() else "lost"
                phase.counts[f"{kind} {result}"] += 1
                if result == "refused":
                    phase.refusals[f"{kind} {what}"] += 1
                took = f"after {now - begun:.1f} s"
                phase.problems.append(f"{time.strftime('%T')} {kind}: {what} {took}")
            elif kind == "new":
                phase.gap, self.good = max(phase.gap, now - self.good), now

    def acknowledged(self) -> int:
        """The number of notes that the service acknowledged."""
        return sum(map(len, self.notes.values()))

    def missing(self) -> list[str]:
        """Read the writers' lists; return the titles of acknowledged notes that are missing."""
        with ThreadPoolExecutor(WRITERS) as pool:
            return list(chain.from_iterable(pool.map(self._missing, self.writers)))

    def _missing(self, number: int) -> list[str]:
        found: set[tuple[str, str]] = set()
        page = "/notes/"
        while page:
            _, text = self._read(number, page)  # another page than the list has no note
            found.update(LISTED.findall(text))
            older = OLDER.search(text)
            page = older[1] if older else ""
            time.sleep(1 / READS)
        return [title for location, title in self.notes[number] if (location, title) not in found]

    def _read(self, number: int, location: str) -> tuple[int, str]:
        """A page as the writer sees it; after a scenario, the pods may still be starting."""
        deadline = time.monotonic() + RECOVERY
        while True:
            try:
                return self.writers[number].request("GET", location)
            except loops.PROBLEMS:
                if time.monotonic() > deadline:
                    raise
                time.sleep(1)
