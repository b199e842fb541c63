"""Run a program until it ends or standard input ends: ``python tests/guard.py nginx -c ...``.

The tests hold the other end of standard input. The system closes it when they end, also when they
are killed: no server of theirs stays behind. Needs the standard library alone, to start at once.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading

STOP_TIMEOUT = 30  # seconds to stop in; then it is killed


def stop_when_input_ends(server: subprocess.Popen[bytes]) -> None:
    """Wait for the end of standard input, then stop the server."""
    sys.stdin.buffer.read()
    server.terminate()
    try:
        server.wait(STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        server.kill()


def main() -> int:
    """Run the program of the command line; its exit status."""
    # No input: Node.js would make that of the guard non-blocking, and who reads it would stop.
    server = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
    # Ctrl-C reaches the server as well; the guard stays until it has ended.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: server.terminate())
    threading.Thread(target=stop_when_input_ends, args=[server], daemon=True).start()
    return server.wait()


if __name__ == "__main__":
    sys.exit(main())
