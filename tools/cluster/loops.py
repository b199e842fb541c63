"""The loops of the visitors, until ``done``: one function for each kind, in its own thread."""

from __future__ import annotations

import ssl
import time
from http.client import HTTPException, HTTPSConnection
from typing import TYPE_CHECKING

from tools.cluster.environment import ClusterError, run_folder

if TYPE_CHECKING:
    from tools.cluster.visitors import Visitors

PAUSE = {"new": 0.4, "kept": 0.5, "write": 1.5}  # seconds between requests of one visitor
PAGE = "/auth/login"
PROBLEMS = (OSError, HTTPException)


def new(visitors: Visitors, host: int) -> None:
    """A new visitor for each request: no cookie, and a connection for one request."""
    while not visitors.done.wait(PAUSE["new"]):
        phase, begun = visitors.phase, time.monotonic()
        try:
            what = str(visitors.reader(host).request("GET", PAGE)[0])
        except PROBLEMS as error:
            what = repr(error)
        visitors.count(phase, "new", what, begun)


def kept(visitors: Visitors, host: int) -> None:
    """One connection for many requests."""
    connection = Kept(visitors, host)
    while not visitors.done.wait(PAUSE["kept"]):
        phase, begun = visitors.phase, time.monotonic()
        try:
            what = connection.get()
        except PROBLEMS as error:
            what = repr(error)
        visitors.count(phase, "kept", what, begun)


class Kept:
    """A browser's connection: repeats a request if the kept connection was closed meanwhile."""

    def __init__(self, visitors: Visitors, host: int) -> None:
        self.visitors, self.host = visitors, host
        self.tls = ssl.create_default_context(cafile=run_folder() / "outside/outside.crt")
        self.connection: HTTPSConnection | None = None

    def get(self) -> str:
        """Return the status of the answer; a request on a new connection is not repeated."""
        if self.connection:
            try:
                return self._get(self.connection)
            except PROBLEMS:
                self.connection.close()
                self.connection = None
        domain = self.visitors.service.domain
        connection = HTTPSConnection(domain, context=self.tls)
        connection.sock = self.tls.wrap_socket(
            self.visitors.connect(self.host), server_hostname=domain
        )
        self.connection = connection
        return self._get(connection)

    def _get(self, connection: HTTPSConnection) -> str:
        connection.request("GET", PAGE)
        answer = connection.getresponse()
        answer.read()
        if answer.will_close:
            connection.close()
            self.connection = None
        return str(answer.status)


def write(visitors: Visitors, number: int) -> None:
    """A signed-in writer; a note is acknowledged when the service redirects to it."""
    writer = visitors.writers[number]
    while not visitors.done.wait(PAUSE["write"]):
        if visitors.quiet.is_set():
            continue
        phase, begun = visitors.phase, time.monotonic()
        title = f"note {number} {time.monotonic_ns()}"
        try:
            status, _ = writer.post("/notes/new", title=title, body="kept")
            what = str(status)
            if status in (302, 303):
                visitors.notes[number].append((writer.location, title))
        except AssertionError as error:  # no form: the answer is another page
            _, status, _ = error.args[0]
            what = "signed out" if status in (302, 303) else str(status)  # led to the sign-in
        except PROBLEMS as error:
            what = repr(error)
        visitors.count(phase, "write", what, begun)


def first_answer(visitors: Visitors, seconds: float = 90) -> None:
    """Wait until a visitor gets a page over HTTPS, with a certificate that is verified.

    :raises ClusterError: when it takes longer.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            what = str(visitors.reader(9).request("GET", PAGE)[0])
        except PROBLEMS as error:
            what = repr(error)
        if what == "200":
            return
        if time.monotonic() > deadline:
            raise ClusterError(f"{visitors.service.name}: no page over HTTPS: {what}")
        time.sleep(1)
