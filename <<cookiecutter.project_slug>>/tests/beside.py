"""What a service that runs for itself (:mod:`tests.serve`) needs beside it: here nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def beside(directory: Path) -> Iterator[dict[str, str]]:
    """Run it until the block ends; the settings with which the service finds it."""
    yield {}
