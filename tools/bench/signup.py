"""The time of a sign-up while the mail server answers, does not answer, or is down.

The request writes the mail into the outbox; another process sends it to the mail server.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from itertools import count
from pathlib import Path
from statistics import median

from tools.bench.measure import Load, Place, Result, Server, alternately, ratio

ROUNDS = 15
REQUESTS = 20
MAILING = Path(__file__).with_name("mailing.py")
BEHAVIOURS = ("answers", "silent", "gone")


def measure(place: Place) -> Result:
    """Sign up new addresses in each of the three states alternately; return ratios."""
    service = place.service(auth="token")
    with ExitStack() as stack:
        turns: dict[str, Callable[[], Load]] = {}
        for behaviour in BEHAVIOURS:
            environment = stack.enter_context(service.production())
            server = stack.enter_context(service.gunicorn(environment))
            mailing = service.helper(MAILING, behaviour, environment=environment)
            stack.enter_context(mailing)
            turns[behaviour] = partial(sign_ups, server, count())
        found = alternately(ROUNDS, turns)
    seconds = {name: [load.seconds for load in loads] for name, loads in found.items()}
    cpu = {name: [load.cpu for load in loads] for name, loads in found.items()}
    rows = [
        [
            f"the mail server {'is ' if name != 'answers' else ''}{name}",
            f"{median(seconds[name]) / REQUESTS * 1000:.1f} ms",
            f"{ratio(seconds[name], seconds['answers']):.2f}x",
            f"{ratio(cpu[name], cpu['answers']):.2f}x",
        ]
        for name in BEHAVIOURS
    ]
    return Result(
        "Signing up, and the mail server",
        ("", "A sign-up", "Time", "CPU"),
        rows,
        [
            f"`POST /api/v1/auth/register` for new addresses: {ROUNDS} rounds of {REQUESTS} "
            "requests, alternately. Each service has a separate database and a "
            "process that sends its mails, on the same cores. A silent server answers no "
            "MAIL command."
        ],
    )


def sign_ups(server: Server, numbers: count[int]) -> Load:
    """Sign up, each time with another mail address and from another IP address.

    :raises RuntimeError: if the service refuses one.
    """
    cpu, started = server.cpu(), time.perf_counter()
    for _ in range(REQUESTS):
        n = next(numbers)
        headers = {
            "Content-Type": "application/json",
            "X-Forwarded-For": f"10.1.{n >> 8}.{n & 255}",
        }
        body = json.dumps({"email": f"user{n}@example.com"})
        answer = server.ask("POST", "/api/v1/auth/register", headers, body)
        if answer.status != 202:
            raise RuntimeError(f"sign-up answers {answer.status}: {answer.body[:400]!r}")
    return Load(REQUESTS, time.perf_counter() - started, server.cpu() - cpu)
