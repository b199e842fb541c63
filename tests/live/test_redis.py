"""Real Sentinels and a real Redis Cluster: what docs/scale.md says of them, with a service."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.live.conftest import HERE, program, virtual_environment
from tests.template import environment, render, run


def test_what_the_page_says_of_sentinel_and_cluster_is_so(tmp_path: Path) -> None:
    program("redis-server")
    project = render(tmp_path, database="sqlite", auth="token", project_slug="counting")
    locks = [project / "requirements.lock", project / "requirements-dev.lock"]
    python = virtual_environment("service-sqlite-token", locks, []) / "python"
    shutil.copy(HERE / "redis_groups.py", project / "tests/test_redis_groups.py")
    options = ["-q", "-p", "no:cacheprovider", "tests/test_redis_groups.py"]
    command = [python, "-m", "pytest", *options]
    result = run(*command, cwd=project, env=environment(tmp_path), timeout=300)
    assert result.returncode == 0, result.stdout[-20_000:]
    assert "3 passed" in result.stdout, result.stdout
