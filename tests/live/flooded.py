"""A test that is copied into a rendered service: a flood of sign-ins with little memory.

``MEMORY`` names a control group. The test sets its limit and moves the processes into it; the
kernel kills a process that then allocates more. Memory from before the move does not count.
"""

from __future__ import annotations

import os
from pathlib import Path

from app.security import hash_slots
from flask import Flask

from tests import live
from tests.browser import PROFILE, Browser
from tests.test_floods import HASH, flooded, there
from tests.test_instances import processes

WORKERS = 2
# Twice the memory of all allowed hashes; new threads and connections also need some.
LIMIT = 2 * WORKERS * hash_slots.SLOTS * HASH * 1024  # bytes


def test_nothing_is_killed(
    app: Flask, alice: Browser, environment: dict[str, str], tmp_path: Path
) -> None:
    group = Path(os.environ["MEMORY"])
    settings = {"WEB_CONCURRENCY": str(WORKERS), "GUNICORN_THREADS": "16"}
    with live.gunicorn(tmp_path, environment | settings) as path:
        user = there(alice, path)
        live.wait_until(lambda: len(processes(path)) == 1 + WORKERS)
        before = processes(path)
        for name in ("memory.limit_in_bytes", "memory.max"):
            if (group / name).exists():
                (group / name).write_text(str(LIMIT))
        for pid in before:
            (group / "cgroup.procs").write_text(str(pid))
        for _ in range(3):
            with flooded(app, path) as flood:
                while not all(answer.done() for answer in flood):
                    assert user.get(PROFILE).status_code == 200
            assert {answer.result().status_code for answer in flood} == {401, 503}
        assert processes(path) == before
