"""The cost of counting for Prometheus: the service with ``METRICS_ADDRESS``, and without.

Both run at the same time with production settings and the same database, and alternate.
"""

from __future__ import annotations

import socket
from functools import partial
from statistics import median

from tools.bench.measure import Place, Result, alternately, http_request, ratio
from tools.bench.overhead import BROWSER, PAGES, add_account, sign_in

ROUNDS = 60
REQUESTS = 100  # of each kind, side and round
KINDS = [kind for kind in PAGES if kind.path in ("/healthz", "/", "/notes/")]


def measure(place: Place) -> Result:
    """CPU of a request with metrics, as a ratio to the same without. The goal: 1.03 for a page."""
    service = place.service(auth="session")
    with socket.create_server(("127.0.0.1", 0)) as free:
        metrics = {"METRICS_ADDRESS": f"127.0.0.1:{free.getsockname()[1]}"}
    rows = []
    with (
        service.production() as environment,
        service.gunicorn(environment) as without,
        service.gunicorn(environment | metrics) as counting,
    ):
        add_account(service, environment)
        credentials = sign_in(without, pages=True)
        for kind in KINDS:
            headers = BROWSER | (credentials if kind.signed_in else {})
            request = http_request("GET", kind.path, headers)
            sides = {"without": without, "counting": counting}
            turns = {k: partial(it.load, request, REQUESTS) for k, it in sides.items()}
            found = alternately(ROUNDS, turns)
            costs = (median(load.cpu_per_request for load in found[name]) for name in sides)
            share = ratio(*([it.cpu for it in found[name]] for name in ("counting", "without")))
            goal = "-" if kind.path == "/healthz" else "1.03"
            rows.append([kind.label, *(f"{cost:.0f}" for cost in costs), f"{share:.3f}", goal])
    return Result(
        "What counting for Prometheus costs",
        ("GET", "Without, us", "With metrics, us", "Ratio", "Goal"),
        rows,
        [
            "Microseconds of CPU a request, of gunicorn's processes: gthread, one worker. Medians "
            f"of {ROUNDS} rounds with {REQUESTS} requests of each kind, in turns; the ratio is the "
            "median of those of the rounds."
        ],
    )
