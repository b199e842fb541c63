"""The cost of hardening for a request: the service and a bare Flask app with the same pages.

Both run at the same time with production settings and the same database, and alternate.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from urllib.parse import urlencode

from tools.bench.measure import (
    Bar,
    Load,
    Place,
    Result,
    Server,
    Service,
    alternately,
    http_request,
    ratio,
)

ROUNDS = 80  # short rounds, because other load on the machine changes within seconds
REQUESTS = 200  # of each kind, side and round
NOTES = 20  # on the signed-in page, which shows as many
EMAIL, PASSWORD = "bench@example.com", "wool-lantern-orbit-7-thistle"
BROWSER = {"Accept": "text/html,application/json", "User-Agent": "Mozilla/5.0 (X11; Linux x86_64)"}


@dataclass(frozen=True)
class Kind:
    """A kind of request. Goal: the least ratio of the bare app's CPU time to the service's."""

    label: str
    path: str
    goal: float | None
    signed_in: bool = False


PAGES = [
    Kind("JSON", "/healthz", 0.76),
    Kind("HTML page", "/", 0.80),
    Kind("form page with a CSRF token", "/auth/login", 0.70),
    Kind("signed-in page of 20 rows", "/notes/", 0.86, signed_in=True),
]
CALLS = [Kind("call with an access token", "/api/v1/me", None, signed_in=True)]


def measure(place: Place) -> Result:
    """CPU time and requests per second, as ratios between the bare app and the service."""
    found = beside_bare(place.service(auth="session"), PAGES, pages=True)
    found |= beside_bare(place.service(auth="token"), CALLS, pages=False)
    rows, bars = [], []
    for kind in (*PAGES, *CALLS):
        ours, bare = found[kind]["service"], found[kind]["bare"]
        cpu = ratio([load.cpu for load in bare], [load.cpu for load in ours])
        speed = ratio([load.per_second for load in ours], [load.per_second for load in bare])
        costs = (f"{median(load.cpu_per_request for load in side):.0f}" for side in (bare, ours))
        goal = "-" if kind.goal is None else f"{kind.goal:.2f}"
        rows.append([kind.label, *costs, f"{cpu:.2f}", goal, f"{speed:.2f}"])
        bars.append(Bar(kind.label, round(cpu, 3), kind.goal))
    return Result(
        "Share of the bare app's speed that the hardened service keeps, by CPU",
        ("GET", "Bare, us", "Service, us", "Ratio", "Goal", "Requests/s, ratio"),
        rows,
        [
            "CPU time of gunicorn's processes for one request, in microseconds: gthread, one "
            f"worker, the service's own configuration. Medians of {ROUNDS} rounds with {REQUESTS} "
            "requests of each kind, alternately; the ratio is computed for each round.",
            "The bare app (tools/bench/bare.py) has the same templates, models, engine and "
            "database, and none of the practices: no log line, header, limit, check of the host, "
            "CSRF token, or session that can be ended. gunicorn's access log is off in both.",
        ],
        bars,
    )


def beside_bare(
    service: Service, kinds: list[Kind], *, pages: bool
) -> dict[Kind, dict[str, list[Load]]]:
    """Measure each kind of request on both sides.

    :param pages: True if users sign in with a form and a cookie, False for access tokens.
    """
    with (
        service.production() as environment,
        service.gunicorn(environment) as ours,
        bare_app(service, environment) as bare,
    ):
        add_account(service, environment)  # the first: its user is number 1
        sides = {"service": (ours, sign_in(ours, pages=pages))}
        sides["bare"] = (bare, sign_in_to_bare(bare, pages=pages))
        found = {}
        for kind in kinds:
            found[kind] = in_turns(kind, sides, ROUNDS, REQUESTS)
            print(f"  {kind.label}", flush=True)
        return found


def in_turns(
    kind: Kind, sides: Mapping[str, tuple[Server, dict[str, str]]], rounds: int, requests: int
) -> dict[str, list[Load]]:
    """Measure one kind of request; each side has its server and the headers of a session."""
    turns = {}
    for name, (server, credentials) in sides.items():
        headers = BROWSER | (credentials if kind.signed_in else {})
        request = http_request("GET", kind.path, headers)
        turns[name] = partial(server.load, request, requests)
    return alternately(rounds, turns)


def bare_app(service: Service, environment: Mapping[str, str]) -> AbstractContextManager[Server]:
    """The bare app under the service's gunicorn."""
    shutil.copy(Path(__file__).with_name("bare.py"), service.folder)
    return service.gunicorn(environment, application="bare:app")


def add_account(service: Service, environment: Mapping[str, str]) -> None:
    """Create an account with a password, without the mail in which users set it."""
    create = f"""
from app.auth import accounts
from app.database import db
from app.secret import Secret
from wsgi import app

with app.app_context():
    accounts.register(Secret({EMAIL!r}), Secret({PASSWORD!r}))
    db.session.commit()
"""
    service.run("-c", create, environment=environment)


def sign_in(server: Server, *, pages: bool) -> dict[str, str]:
    """Sign in, with pages also write notes; return the headers of the session."""
    if not pages:
        body = json.dumps({"email": EMAIL, "password": PASSWORD})
        sent_as = {"Content-Type": "application/json"}
        answer = server.ask("POST", "/api/v1/auth/token", sent_as, body)
        return {"Authorization": f"Bearer {json.loads(answer.body)['access_token']}"}
    cookie = submit(server, "/auth/login", {"email": EMAIL, "password": PASSWORD}, "")
    for number in range(NOTES):
        cookie = submit(server, "/notes/new", {"title": f"Note {number}", "body": "Text"}, cookie)
    return {"Cookie": cookie}


def submit(server: Server, path: str, fields: Mapping[str, str], cookie: str) -> str:
    """Send a form of the service; return the cookies after it.

    :raises RuntimeError: if the service refuses the form.
    """
    page = server.ask("GET", path, {"Cookie": cookie} if cookie else {})
    cookie = page.cookie() or cookie
    form = page.body.decode().partition("<main")[2]
    token = re.findall(r'name="csrf_token"[^>]* value="([^"]+)"', form)[0]
    headers = {
        "Cookie": cookie,
        "Content-Type": "application/x-www-form-urlencoded",
        "Referer": "https://service.test/",
    }
    answer = server.ask("POST", path, headers, urlencode({**fields, "csrf_token": token}))
    if answer.status != 302:
        raise RuntimeError(f"{path} answers {answer.status}: {answer.body.decode()[:2000]}")
    return answer.cookie() or cookie


def sign_in_to_bare(server: Server, *, pages: bool) -> dict[str, str]:
    """Sign in to the bare app; return the headers of the session."""
    answer = server.ask("GET", "/sign-in")
    if pages:
        return {"Cookie": answer.cookie()}
    return {"Authorization": f"Bearer {answer.body.decode()}"}
