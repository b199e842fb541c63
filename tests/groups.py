"""Which tests share a process, and in which order these groups start."""

from __future__ import annotations

import re

# The groups that take minutes start first; otherwise the last one would run alone on one core. The
# browsers start last, after containers and machines: Chromium drops its connections when a network
# interface appears. A lock in tests/live/conftest.py makes them wait.
FIRST = [
    *("containers", "machines", "postgresql-session", "mysql-session"),
    *("tests/test_rendered_api.py", "tests/test_rendered_suite.py", "tests/test_rendered_oidc.py"),
    *("postgresql-token", "mysql-token", "postgresql-oidc", "mysql-oidc"),
    *("tests/sabotage/test_sabotage.py", "tests/fuzz/test_data.py", "browsers"),
]
# Groups of several files: they share a browser, a daemon or all renderings.
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
