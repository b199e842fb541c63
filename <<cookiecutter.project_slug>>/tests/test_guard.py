"""No server that the tests start outlives them, also when they are killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.live import PROJECT, accepts, wait_until

PROGRAM = """
import sys
from pathlib import Path
from tests.conftest import running_redis

with running_redis(Path(sys.argv[1])):
    print("running", flush=True)
    sys.stdin.read()
"""


def test_redis_ends_with_tests_that_are_killed(needs_redis: None, tmp_path: Path) -> None:
    socket = tmp_path / "redis.sock"
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(socket)],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as tests:
        assert tests.stdout
        assert tests.stdout.readline() == b"running\n"
        assert accepts(socket)
        tests.kill()
        tests.wait()
        wait_until(lambda: not accepts(socket))
