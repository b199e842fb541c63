"""The source of this copy of the template, which ``make template-update`` of a service needs."""

from __future__ import annotations

import os
import re
import subprocess

TIMEOUT = 10  # seconds; git asks no server for any of this
# https://host/path, ssh://..., user@host:path; without characters that break a line of YAML.
URL = re.compile(r"(\w+://|[\w.-]+@[\w.-]+:)[^\"\\\s\x00-\x1f\x7f]+")
# Attack: a password or token in the URL of a remote gets into the repository of the service. In
# HTTP URLs the token may also be the user name; the user name of SSH is no secret.
SECRETS = re.compile(r"(?<=http://)[^/@]*@|(?<=https://)[^/@]*@|(?<=\w):[^/@:]*(?=@)")


def of(template: str) -> dict[str, str]:
    """Return ``url`` and ``commit`` of the template; an unknown value is empty.

    A copy without git has neither. With uncommitted changes, ``commit`` is empty, because no commit
    renders the same files. ``url`` is never a folder of this machine, which others cannot read.
    """
    if _git(template, "rev-parse", "--show-prefix") != "":
        return {"url": "", "commit": ""}  # no repository, or a folder of another one
    url = _git(template, "config", "--get", "remote.origin.url") or ""
    if not URL.fullmatch(url):
        url = ""
    clean = _git(template, "status", "--porcelain") == ""
    commit = clean and _git(template, "rev-parse", "--verify", "--quiet", "HEAD")
    return {"url": SECRETS.sub("", url), "commit": commit or ""}


def _git(folder: str, *arguments: str) -> str | None:
    """Return the output of git in the folder; None if git fails."""
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
