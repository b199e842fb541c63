"""forwarder.py HOST:PORT: forward each connection on a socket of systemd to one outside server.

The provider names the server, and could name one on this host or in its network. Therefore the
name is resolved for each connection, and the program connects only to a checked address.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

# Not app.outbound_addresses, which would load the whole service into every forwarder.
sys.path.append(str(Path(__file__).resolve().parents[2] / "app"))
from outbound_addresses import Network, networks, permitted

SOCKET = 3  # the first that systemd hands over: SD_LISTEN_FDS_START, sd_listen_fds(3)
CONNECT = 2  # seconds; as app/auth/outbound.py
ENDING = 6  # seconds for what runs when the forwarder is closed; a sign-in takes 4.5 at most

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connect(host: str, port: int, allowed: tuple[Network, ...]) -> Streams:
    """A connection to the server.

    :raises OSError: when it has no address that may be connected to, or does not answer.
    :raises ValueError: when ``host`` is no name.
    """
    failed = OSError(f"{host} does not answer")
    for address in await asyncio.to_thread(permitted, host, port, allowed):
        try:
            return await asyncio.wait_for(asyncio.open_connection(address, port), CONNECT)
        except OSError as error:
            failed = error
    raise failed


async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Forward the data, and then the end of the data."""
    while data := await source.read(65536):
        target.write(data)
        await target.drain()
    target.write_eof()


async def pass_on(here: Streams, host: str, port: int, allowed: tuple[Network, ...]) -> None:
    """Forward one connection until it ends."""
    try:
        there = await connect(host, port, allowed)
    except (OSError, ValueError) as error:
        print(f"not connected to {host}:{port}: {error}", file=sys.stderr, flush=True)
        here[1].transport.abort()
        return
    try:
        async with asyncio.TaskGroup() as both:
            both.create_task(copy(here[0], there[1]))
            both.create_task(copy(there[0], here[1]))
    except* OSError as errors:
        print(f"{host}:{port}: {errors.exceptions[0]}", file=sys.stderr, flush=True)
    for _, writer in (here, there):
        writer.close()


async def serve(host: str, port: int, allowed: tuple[Network, ...]) -> None:
    """Run until systemd ends it. Then new connections wait in the socket, open ones may finish."""
    running: set[asyncio.Task[None]] = set()

    def begin(*here: *Streams) -> None:
        task = asyncio.create_task(pass_on(here, host, port, allowed))
        running.add(task)
        task.add_done_callback(running.discard)

    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    server = await asyncio.start_server(begin, sock=socket.socket(fileno=SOCKET))
    await over.wait()
    server.close()
    if running:
        await asyncio.wait(running, timeout=ENDING)


if __name__ == "__main__":
    host, _, port = sys.argv[1].rpartition(":")
    allowed = networks(os.environ.get("OIDC_PRIVATE_NETWORKS", ""))
    asyncio.run(serve(host, int(port), allowed))
