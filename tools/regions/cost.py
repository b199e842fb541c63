"""What a million requests cost, from the CPU times of the last `make bench` (docs/bench.json)."""

from __future__ import annotations

import json

from tools.bench.report import KEPT

COLUMNS = ("Request", "CPU each", "CPU of a million", "USD")
# USD for an hour of a virtual core: an assumption, see docs/scale.md.
PRICE = 0.04
# Each request: a part of `make bench`, the row there, and the column of its CPU time.
REQUESTS = {
    "public HTML page": ("overhead", "HTML page", 2),
    "signed-in page of 20 rows, SQLite": ("overhead", "signed-in page of 20 rows", 2),
    "signed-in page of 20 rows, PostgreSQL, under load": (
        "scale",
        "first page of 20, CPU of the service",
        2,
    ),
    "sign-in: the password hash alone": ("signin", "CPU of a hash", 1),
}


def measured(part: str, row: str, column: int) -> float:
    """A CPU time or a rate as `make bench` kept it, in milliseconds or per second.

    :raises KeyError: if `make bench` has no such row.
    """
    kept = json.loads(KEPT.read_text(encoding="utf-8"))[part]
    rows = {cells[0]: cells for cells in kept["rows"]}
    value = rows[row][column]
    if kept["columns"][column].endswith(", us"):
        return float(value) / 1000
    return float(value.removesuffix(" ms").removesuffix("/s"))


def short(number: float) -> str:
    """The number with two significant digits, without an exponent."""
    return f"{float(f'{number:.2g}'):g}"


def table() -> list[tuple[str, ...]]:
    """A row for each request."""
    rows = []
    for name, source in REQUESTS.items():
        milliseconds = measured(*source)
        hours = milliseconds * 1_000_000 / 1000 / 3600
        cost = short(hours * PRICE)
        rows.append((name, f"{short(milliseconds)} ms", f"{short(hours)} h", cost))
    return rows
