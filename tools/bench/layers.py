"""The cost of each practice for a request: in one process, with one practice left out at a time."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tools.bench.measure import Place, Result, Service

INSIDE = Path(__file__).with_name("inside.py")
ROUNDS = 60
KINDS = {"/healthz": "JSON", "/": "HTML page"}

Costs = dict[str, dict[str, tuple[float, float]]]


def measure(place: Place) -> Result:
    """The cost of each practice: time and calls with it, minus those without it."""
    service = place.service(auth="session")
    with service.production() as environment:
        found = inside(service, environment, ROUNDS, each=True)
    practices = [name for name in found["/"] if name not in ("bare", "service")]
    whole, bare = (shares(found, name) for name in ("service", "bare"))
    costs = {
        name: [a - b for a, b in zip(whole, shares(found, name), strict=True)] for name in practices
    }
    rest = [
        total - least - sum(parts)
        for total, least, *parts in zip(whole, bare, *costs.values(), strict=True)
    ]
    rows = [["bare Flask", *(f"{value:.0f}" for value in bare)]]
    for name, values in costs.items():
        if max(values[1::2]) >= 1:  # calls
            rows.append([f"`{name}`", *(f"{value:+.0f}" for value in values)])
    rows.append(["the rest, and what practices share", *(f"{value:+.0f}" for value in rest)])
    rows.append(["**service**", *(f"{value:.0f}" for value in whole)])
    ratios = (f"{least / total:.2f}" for least, total in zip(bare, whole, strict=True))
    rows.append(["ratio, bare to service", *ratios])
    sent = [found[f"headers of {path}"] for path in KINDS]
    more = (
        f"{ours - others:+.0f}"
        for sides in sent
        for ours, others in zip(sides["service"], sides["bare"], strict=True)
    )
    rows.append(["in gunicorn: to send its headers", *more])
    return Result(
        "What each practice costs, in the process",
        ("Layer", *(f"{kind}, {unit}" for kind in KINDS.values() for unit in ("us", "calls"))),
        rows,
        [
            "CPU time in microseconds, and calls of functions, for an anonymous GET without a "
            "server. The cost of a practice is the service with it minus the service without it; "
            "the table leaves out practices without calls. Times are exact to a few microseconds "
            "at best, calls are the same each time. The service writes no log lines here. The last "
            "row is the additional cost for gunicorn to check and write the service's headers, "
            "compared with the headers of the bare app."
        ],
    )


def inside(service: Service, environment: dict[str, str], rounds: int, *, each: bool) -> Costs:
    """For each path and side (bare, service, with ``each`` also the service without a practice's
    name): microseconds and calls of a request."""
    shutil.copy(Path(__file__).with_name("bare.py"), service.folder / "bare.py")
    arguments = [str(rounds), "each" if each else "two", *KINDS]
    output = service.run(INSIDE, *arguments, environment=environment).stdout
    return {
        path: {k: tuple(v) for k, v in sides.items()} for path, sides in json.loads(output).items()
    }


def shares(found: Costs, side: str) -> list[float]:
    """Time and calls of a side, for each kind of request."""
    return [value for path in KINDS for value in found[path][side]]
