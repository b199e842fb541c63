"""The source of this copy of the template, which ``make template-update`` of a service needs."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

TIMEOUT = 10  # seconds; git asks no server for any of this
UNQUOTED = re.compile(r"[^\"\\\x00-\x1f\x7f]+")
# A password or a token in the URL of a remote must not get into the repository of the service.
USERINFO = re.compile(r"(?<=://)[^/@]*@")


def of(template: str) -> dict[str, str]:
    """The template's ``url`` and ``commit``, each empty when it is unknown.

    A copy without git has neither. With uncommitted changes there is no commit: only the version is
    recorded. A copy without a remote is its own ``url``.
    """
    if _git(template, "rev-parse", "--show-prefix") != "":
        return {"url": "", "commit": ""}  # no repository, or a folder of another one
    url = _git(template, "config", "--get", "remote.origin.url") or str(Path(template).resolve())
    if not UNQUOTED.fullmatch(url):
        url = ""  # it would not fit into a line of YAML
    clean = _git(template, "status", "--porcelain") == ""
    commit = clean and _git(template, "rev-parse", "--verify", "--quiet", "HEAD")
    return {"url": USERINFO.sub("", url), "commit": commit or ""}


def _git(folder: str, *arguments: str) -> str | None:
    """The output of git about the folder; None if git fails."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    try:
        result = subprocess.run(  # noqa: S603 - no argument comes from outside
            ["git", *arguments],  # noqa: S607 - as cookiecutter finds it
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return None if result.returncode else result.stdout.strip()
