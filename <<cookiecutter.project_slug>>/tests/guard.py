"""Stop a server when the tests that started it are gone: ``python tests/guard.py PID``.

The tests hold the other end of standard input and write to it when they have stopped the server
themselves. When they are killed, the system closes it, and nothing was written: then the guard
stops the server. Needs the standard library alone, to start at once.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress

STOP_TIMEOUT = 30  # seconds to stop in; then it is killed


def stop(pid: int) -> None:
    """Ask the process to end, and kill it if it does not."""
    with suppress(ProcessLookupError):  # it has ended
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGCONT)  # one that a test has stopped would not hear the other
        for _ in range(STOP_TIMEOUT * 10):
            time.sleep(0.1)
            os.kill(pid, 0)
        os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the tests, which stop the server
    if not sys.stdin.buffer.read():
        stop(int(sys.argv[1]))
