"""Memory of a worker and time to the first answer, compared with bare Flask and SQLAlchemy.

Both start alternately, with the service's own gunicorn configuration. Memory is the proportional
set size (Pss): shared memory counts once.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median

from tools.bench.measure import Place, Result, Service, http_request, ratio

ROUNDS = 7
WORKERS = 2  # as in production
REQUESTS = 200  # before memory is read


def measure(place: Place) -> Result:
    """Start both apps alternately; return ratios of the service to the bare app."""
    service = place.service(auth="session")
    kinds: dict[str, dict[str, list[float]]] = {"service": {}, "bare": {}}
    with service.production() as environment:
        shutil.copy(Path(__file__).with_name("bare.py"), service.folder)
        applications = {"service": "wsgi:app", "bare": "bare:app"}
        for number in range(ROUNDS + 1):
            for name in sorted(applications, reverse=bool(number % 2)):
                for kind, value in started(service, environment, applications[name]).items():
                    if number:  # the first also compiles
                        kinds[name].setdefault(kind, []).append(value)
    rows = []
    for kind, text in (
        ("worker", "{:.0f} MiB"),
        ("all", "{:.0f} MiB"),
        ("seconds", "{:.2f} s"),
        ("cpu", "{:.2f} s"),
    ):
        bare, ours = kinds["bare"][kind], kinds["service"][kind]
        cells = [text.format(median(side)) for side in (bare, ours)]
        rows.append([LABELS[kind], *cells, f"{ratio(ours, bare):.2f}"])
    return Result(
        "Memory and start, compared with bare Flask and SQLAlchemy",
        ("", "Bare", "Service", "Ratio"),
        rows,
        [
            f"Medians of {ROUNDS} alternating starts of each, with {WORKERS} workers under the "
            "service's own configuration, which builds the app before it forks. Memory is Pss of "
            f"/proc/PID/smaps_rollup after {REQUESTS} requests. A worker takes up to 138 MiB more "
            "while it hashes passwords."
        ],
    )


LABELS = {
    "worker": "memory of a worker",
    "all": "memory of all processes",
    "seconds": "start to the first answer",
    "cpu": "CPU until then",
}


def started(service: Service, environment: Mapping[str, str], application: str) -> dict[str, float]:
    """Start an app; return the seconds until its first answer, and its memory after requests.

    :raises RuntimeError: if it does not answer 200.
    """
    begun = time.perf_counter()
    with service.gunicorn(environment, application=application, workers=WORKERS) as server:
        server.load(http_request("GET", "/healthz"), 1, clients=1)
        seconds, cpu = time.perf_counter() - begun, server.cpu()
        server.load(http_request("GET", "/"), REQUESTS)
        sizes = [pss(pid) for pid in server.pids()]
    return {"seconds": seconds, "cpu": cpu, "all": sum(sizes), "worker": max(sizes[1:])}


def pss(pid: int) -> float:
    """Proportional set size in MiB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
