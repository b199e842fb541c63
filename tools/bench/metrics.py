"""The cost of counting for Prometheus: the service with ``METRICS_ADDRESS``, and without.

Both run at the same time with production settings and the same database, and alternate. Two equal
services differ by a few percent, each time that they start; so several pairs start.
"""

from __future__ import annotations

import socket
from statistics import median

from tools.bench.measure import Place, Result, ratio
from tools.bench.overhead import PAGES, add_account, in_turns, sign_in

PAIRS = 8  # of services, one after the other
ROUNDS = 8  # of each pair
REQUESTS = 100  # of each kind, side and round
KINDS = [kind for kind in PAGES if kind.path in ("/healthz", "/", "/notes/")]


def measure(place: Place) -> Result:
    """CPU time of a request with metrics, divided by that without. Goal: 1.03 for a page."""
    service = place.service(auth="session")
    with socket.create_server(("127.0.0.1", 0)) as free:
        metrics = {"METRICS_ADDRESS": f"127.0.0.1:{free.getsockname()[1]}"}
    costs: dict[str, dict[str, list[float]]] = {
        kind.label: {"without": [], "counting": []} for kind in KINDS
    }
    shares: dict[str, list[float]] = {kind.label: [] for kind in KINDS}
    with service.production() as environment:
        add_account(service, environment)
        credentials: dict[str, str] = {}  # of the session, which the database keeps
        for _ in range(PAIRS):
            with (
                service.gunicorn(environment) as without,
                service.gunicorn(environment | metrics) as counting,
            ):
                credentials = credentials or sign_in(without, pages=True)
                sides = {"without": (without, credentials), "counting": (counting, credentials)}
                for kind in KINDS:
                    found = in_turns(kind, sides, ROUNDS, REQUESTS)
                    for name in sides:
                        costs[kind.label][name] += [it.cpu_per_request for it in found[name]]
                    both = ([it.cpu for it in found[name]] for name in ("counting", "without"))
                    shares[kind.label].append(ratio(*both))
    rows = []
    for kind in KINDS:
        each = (f"{median(values):.0f}" for values in costs[kind.label].values())
        share = sorted(shares[kind.label])
        spread = f"{share[0]:.3f} to {share[-1]:.3f}"
        goal = "-" if kind.path == "/healthz" else "1.03"
        rows.append([kind.label, *each, f"{median(share):.3f}", spread, goal])
    return Result(
        "What counting for Prometheus costs",
        ("GET", "Without, us", "With metrics, us", "Ratio", "Of each pair", "Goal"),
        rows,
        [
            "Microseconds of CPU a request, of gunicorn's processes: gthread, one worker. Medians "
            f"of {PAIRS} newly started pairs of services, with {ROUNDS} alternating rounds of "
            f"{REQUESTS} requests of each kind."
        ],
    )
