"""What a test needs of the machine. Without it the test is skipped, and in CI it fails.

No other module skips a test, except for the few that ``test_tool_settings.py`` lists: a condition
of one's own leaves a test out wherever it is true, and nobody notices.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

# Debian installs Nginx in a folder that is in the PATH of root alone.
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin"
AUDITORS = Path(sys.prefix) / "audit/bin"
HOST = socket.gethostname()  # for the service, a remote server
PACKAGES = {  # of Debian, by program
    "git": "git",
    "gitleaks": "gitleaks",
    "kubectl": "kubernetes-client",
    "mariadbd": "mariadb-server",
    "nginx": "nginx-light",
    "node": "nodejs",
    "npm": "npm",
    "openssl": "openssl",
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "redis-server": "redis-server",
}


def lacking(reason: str) -> NoReturn:
    """End the test. In CI somebody relies on all tests, so the machine there must have all."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def program(name: str) -> str:
    """The path of a program."""
    found = shutil.which(name, path=PATH)
    if found is None:
        lacking(f"needs {name} (apt-get install {PACKAGES.get(name, 'its package')})")
    return found


def auditor(name: str) -> None:
    """A program that ``make audit`` installs."""
    if not (AUDITORS / name).exists():
        lacking(f"{name} is not installed; make audit installs it")


def linux() -> None:
    """The files of /proc, and that each request can come from another address of 127.0.0.0/8."""
    if sys.platform != "linux":
        lacking("needs Linux")


def address() -> str:
    """That of ``HOST``, which is another name than localhost."""
    if HOST == "localhost":
        lacking("this machine has no name but localhost")
    try:
        return socket.gethostbyname(HOST)
    except OSError:
        lacking(f"the name of this machine, {HOST}, has no address; put it into /etc/hosts")


def nginx() -> str:
    """The path of an Nginx that is new enough for ``deploy/nginx/``."""
    linux()
    path = program("nginx")
    program("openssl")
    if reason := too_old(path):
        lacking(reason)
    return path


def too_old(nginx: str) -> str:
    """What is too old, or an empty string."""
    shown = subprocess.run([nginx, "-V"], capture_output=True, text=True, check=True)
    versions = re.findall(r"(nginx/|built with OpenSSL )(\d+)\.(\d+)\.(\d+)", shown.stderr)
    found = {name: tuple(map(int, numbers)) for name, *numbers in versions}
    old = found.get("nginx/", ()) < (1, 25, 1) or found.get("built with OpenSSL ", ()) < (3, 3)
    return "needs nginx 1.25.1 or newer, built with OpenSSL 3.3 or newer" if old else ""


def group(name: str) -> None:
    """A way of OpenSSL to agree on keys."""
    listed = subprocess.run(
        [program("openssl"), "list", "-kem-algorithms"], capture_output=True, text=True, check=True
    )
    if name not in listed.stdout:
        lacking(f"needs {name}, which OpenSSL has from 3.5 on")
