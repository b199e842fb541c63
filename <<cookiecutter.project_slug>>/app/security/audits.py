"""Regular audits: code or a dependency turns out to be vulnerable, and nobody notices.

The audits run outside the app: ``make audit`` and ``.github/workflows/security.yml`` (Bandit on all
severities, pip-audit on the lock; push, pull request and every week). This module checks that the
installed packages are the audited ones. ASVS 15.1.1, 15.2.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from flask import Flask

LOCK = Path(__file__).parents[2] / "requirements.lock"
HINT = "install with: pip install --require-hashes -r requirements.lock"
PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)\s*(;)?", re.MULTILINE)


def init_app(app: Flask) -> None:
    """Nothing to wire: the audits run in CI."""


def check(app: Flask) -> Iterator[str]:
    """Yield every package whose installed version is not the audited one.

    A line with an environment marker may not apply to this machine, so it may be absent.
    """
    if not LOCK.exists():
        yield f"{LOCK.name} is missing next to the app, so nothing was compared; copy it there"
        return
    # A package may be pinned twice, under markers that exclude each other.
    pins: dict[str, set[str]] = {}
    optional: set[str] = set()
    for name, pinned, marker in PINNED.findall(LOCK.read_text(encoding="utf-8")):
        pins.setdefault(name, set()).add(pinned)
        if marker:
            optional.add(name)
    for name, versions in pins.items():
        try:
            installed = version(name)
        except PackageNotFoundError:
            if name not in optional:
                yield f"{name} is not installed; {HINT}"
            continue
        if installed not in versions:
            yield f"{name} {installed} runs, but {' or '.join(versions)} was audited; {HINT}"
