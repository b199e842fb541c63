"""Run in a service's folder with its Python: print the cost of one hash and of three at once."""

from __future__ import annotations

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from app.secret import Secret
from app.security.passwords import hash_password

HASHES = 24  # for each number of threads


def peak() -> int:
    """The peak memory of this process, in bytes."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) * 1024


def main() -> None:
    found, before = [], peak()
    for threads in (1, 3):
        with ThreadPoolExecutor(threads) as pool:
            cpu, started = time.process_time(), time.perf_counter()
            list(pool.map(hash_password, [Secret(f"password {n}") for n in range(HASHES)]))
            seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
        memory = (peak() - before) / threads
        found.append({"rate": HASHES / seconds, "cpu": cpu / HASHES, "memory": memory})
    print(json.dumps(found))


if __name__ == "__main__":
    main()
