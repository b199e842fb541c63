"""A network between the service and a server, which a test can cut or freeze."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from flask import Flask
from sqlalchemy import URL, make_url

Address = tuple[str, int] | str  # of TCP, or the path of a unix socket


class Proxy:
    """Forwards every connection to ``target``; it listens as the target does, on TCP or a path."""

    def __init__(self, target: Address, path: Path) -> None:
        self.target = target
        self.address: Address = str(path) if isinstance(target, str) else ("127.0.0.1", 0)
        self.listener: socket.socket | None = None
        self.flowing = threading.Event()  # cleared while the network is frozen
        self.lock = threading.Lock()
        self.ends: list[socket.socket] = []
        self.threads: list[threading.Thread] = []

    def resume(self) -> None:
        """Start to forward. Data that arrived during a freeze is sent now."""
        self.flowing.set()
        if self.listener is None:
            if isinstance(self.address, str):
                Path(self.address).unlink(missing_ok=True)
                self.listener = socket.socket(socket.AF_UNIX)
                self.listener.bind(self.address)
                self.listener.listen()
            else:
                self.listener = socket.create_server(self.address)
                self.address = self.listener.getsockname()
            self.listener.settimeout(0.1)  # seconds until it notices that it was stopped
            self._start(self._accept, self.listener)

    def freeze(self) -> None:
        """Accept connections and keep them open, but forward no data."""
        self.flowing.clear()

    def stop(self) -> None:
        """Close every connection and refuse new ones, like a killed server."""
        with self.lock:
            listener, self.listener = self.listener, None
            ends, self.ends = self.ends, []
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)  # wakes the thread that reads from it
        self.flowing.set()
        for thread in self.threads:
            thread.join()
        self.threads.clear()
        for end in [*ends, listener]:
            if end is not None:
                end.close()

    def _start(self, work: Callable[..., None], *sockets: socket.socket) -> None:
        self.threads.append(threading.Thread(target=work, args=sockets, daemon=True))
        self.threads[-1].start()

    def _accept(self, listener: socket.socket) -> None:
        while self.listener is listener:
            try:
                client = listener.accept()[0]
            except TimeoutError:
                continue
            server = self._connect()
            with self.lock:
                if self.listener is not listener:  # it was stopped just now
                    client.close()
                    server.close()
                    return
                self.ends += [client, server]
            self._start(self._forward, client, server)
            self._start(self._forward, server, client)

    def _connect(self) -> socket.socket:
        if not isinstance(self.target, str):
            return socket.create_connection(self.target)
        server = socket.socket(socket.AF_UNIX)
        server.connect(self.target)
        return server

    def _forward(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):  # one side has reset the connection
            while data := source.recv(65_536):
                self.flowing.wait()
                target.sendall(data)
        self.flowing.wait()
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)  # tells the other side that this one has closed


@contextmanager
def forwarding(target: Address, path: Path) -> Iterator[Proxy]:
    """A proxy that forwards until the block ends."""
    proxy = Proxy(target, path)
    proxy.resume()
    try:
        yield proxy
    finally:
        proxy.stop()


class Outage:
    """A database server that can be taken away.

    :param url: of the service's database, such that it leads through the proxy.
    """

    def __init__(self, settings: dict[str, str], url: URL, proxy: Proxy) -> None:
        mail = make_url(settings["MAIL_DATABASE_URL"])
        mail = mail.set(host=url.host, port=url.port, query=url.query)
        for name, it in {"DATABASE_URL": url, "MAIL_DATABASE_URL": mail}.items():
            settings = settings | {name: it.render_as_string(hide_password=False)}
        self.settings = settings
        self.resume, self.freeze = proxy.resume, proxy.freeze
        self.proxy = proxy

    def stop(self, app: Flask) -> None:
        """End the server: the connections are cut, and new ones refused."""
        self.proxy.stop()
