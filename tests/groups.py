"""Which tests share a process, and in which order these groups start."""

from __future__ import annotations

import re

# What begins first: the groups that take minutes. When they come last, one process is left alone
# with them. The browsers begin when containers and machines are done: Chromium drops its
# connections when a network interface appears. tests/live/conftest.py lets them wait if need be.
FIRST = [
    *("containers", "machines", "postgresql-session", "mysql-session"),
    *("tests/test_rendered_api.py", "tests/test_rendered_suite.py", "tests/test_rendered_oidc.py"),
    *("postgresql-token", "mysql-token", "postgresql-oidc", "mysql-oidc"),
    *("tests/sabotage/test_sabotage.py", "tests/fuzz/test_data.py", "browsers"),
]
# Those that share a browser or a daemon, or that look at every rendering.
SHARED = {
    "renderings": re.compile(r"test_(bake|sources|workflows)\.py$"),
    "browsers": re.compile(r"test_(browser\w*|provider)\.py$"),
    "containers": re.compile(r"test_(docker|kubernetes)\.py$"),
    "machines": re.compile(r"test_systemd\.py$"),
}


def group(nodeid: str) -> str:
    """The name of the group: one of ``SHARED``, a service of test_databases.py, or the file."""
    file = nodeid.partition("::")[0]
    for name, files in SHARED.items():
        if files.search(file):
            return name
    service = re.search(r"\b(postgresql|mysql)-(session|token|oidc)\b", nodeid)
    return service[0] if service and file.endswith("test_databases.py") else file
