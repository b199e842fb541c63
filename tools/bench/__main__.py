"""Measure all parts or some of them: ``python -m tools.bench overhead layers``.

A part is a module in this package with a function ``measure(place: Place) -> Result``; its
docstring describes what it measures. Its table is written between its marks in README.md or
docs/bench.md.
"""

from __future__ import annotations

import os
import platform
import sys
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

from tools.bench import report
from tools.bench.measure import ROOT, Place, Result

PARTS = (
    "layers",
    "overhead",
    "metrics",
    "signin",
    "signup",
    "memory",
    "servers",
    "generator",
    "scale",
)


def machine() -> str:
    """What this is measured on, and when."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    date = datetime.now(UTC).date()
    return f"{os.cpu_count()} cores of {model}, Python {platform.python_version()}, {date}"


def main(names: list[str]) -> str | None:
    """Measure the parts; return an error message about unknown names, or None."""
    if unknown := [name for name in names if name not in PARTS]:
        return f"No part {', '.join(unknown)}; choose from: {', '.join(PARTS)}."
    if sys.platform != "linux":
        return "make bench reads CPU times from /proc: run it on Linux."
    python = os.environ.get("BENCH_PYTHON")
    place = Place(ROOT / "build" / "bench", Path(python) if python else None)
    place.folder.mkdir(parents=True, exist_ok=True)
    results: dict[str, Result] = {}
    for name in names or PARTS:
        part = import_module(f"tools.bench.{name}")
        print(f"{name}: {(part.__doc__ or '').strip().splitlines()[0]}", flush=True)
        results[name] = part.measure(place)
        print(f"\n{report.table(results[name])}\n", flush=True)
    report.write(results, machine())
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
