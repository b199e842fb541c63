"""A flood of sign-ins: the kernel kills a worker that uses more memory than planned for hashes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.conftest import HERE, lacking, program, virtual_environment
from tests.template import environment, render, run

CGROUPS = Path("/sys/fs/cgroup")


@pytest.fixture
def control_group() -> Iterator[Path]:
    """A control group for memory, of version 1 or 2."""
    if os.geteuid() != 0:
        lacking("needs root, to limit memory")
    enabled = CGROUPS / "cgroup.subtree_control"
    if (CGROUPS / "memory/memory.limit_in_bytes").exists():
        parent = CGROUPS / "memory"
    elif enabled.exists() and "memory" in enabled.read_text("utf-8").split():
        parent = CGROUPS
    else:
        lacking("needs the memory controller of control groups")
    group = parent / f"flood-{os.getpid()}"
    group.mkdir()
    yield group
    group.rmdir()


def test_a_flood_kills_nothing_where_memory_is_short(tmp_path: Path, control_group: Path) -> None:
    """Without a bound this fails: a worker with 16 threads would hash 16 passwords at once."""
    program("redis-server")
    project = render(tmp_path)
    locks = [project / "requirements.lock", project / "requirements-dev.lock"]
    python = virtual_environment("service-session", locks, []) / "python"
    shutil.copy(HERE / "flooded.py", project / "tests/test_flooded.py")
    values = environment(tmp_path, MEMORY=str(control_group))
    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_flooded.py"]

    def flood() -> str:
        result = run(*command, cwd=project, env=values)
        return result.stdout if result.returncode else "passed"

    assert flood() == "passed"
    source = project / "app/security/hash_slots.py"
    bounded = "slots = threading.BoundedSemaphore(SLOTS)"
    text = source.read_text("utf-8")
    assert bounded in text
    source.write_text(text.replace(bounded, bounded.replace("SLOTS", "400")), "utf-8")
    assert "1 failed" in flood()
