"""Run in a service's folder with its Python: time requests in one process, print JSON.

It calls only the WSGI application, without server and socket. The bare app, the service and, on
request, the service without one practice alternate in blocks of requests, in a different order each
time. The result of each is the mean of its fastest quarter of blocks, because other load only adds
time. The number of function calls of a request is the same on every machine.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections.abc import Callable, Iterable
from cProfile import Profile
from statistics import mean
from types import SimpleNamespace
from typing import Any

import app as service
from app import security
from app.security.access import require_user
from flask import Flask
from gunicorn.config import Config
from gunicorn.http.wsgi import Response

BLOCK = 50  # requests
Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def environ(path: str) -> dict[str, Any]:
    """The WSGI environment that gunicorn makes of an anonymous GET from Nginx."""
    return {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "RAW_URI": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "service.test",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "",
        "HTTP_HOST": "service.test",
        "HTTP_ACCEPT": "text/html,application/json",
        "HTTP_USER_AGENT": "Mozilla/5.0 (X11; Linux x86_64)",
        "HTTP_X_FORWARDED_FOR": "203.0.113.7",
        "HTTP_X_FORWARDED_PROTO": "https",
        "HTTP_X_REQUEST_ID": "0123456789abcdef0123456789abcdef",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": sys.stdin.buffer,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }


def ask(application: Application, path: str) -> str:
    """Send one request, read the whole answer, return its status."""
    statuses = []

    def start_response(status: str, *_: Any) -> None:
        statuses.append(status)

    body = application(environ(path), start_response)
    for _ in body:
        pass
    if close := getattr(body, "close", None):
        close()
    return statuses[0]


def without(practice: str) -> Flask:
    """The service without one practice; with an empty name it has all practices."""
    kept = security.PRACTICES
    names = [module.__name__.rpartition(".")[2] for module in kept]
    left_out = practice if practice != "access" else ""  # routes need its functions
    security.PRACTICES = tuple(m for m, name in zip(kept, names, strict=True) if name != left_out)
    try:
        made = service.create_app()
    finally:
        security.PRACTICES = kept
    if practice == "access":
        made.before_request_funcs[None].remove(require_user)
    return made


def calls(application: Application, path: str) -> float:
    """The number of functions that a request calls, including functions written in C."""
    profile = Profile()
    profile.enable()
    for _ in range(BLOCK):
        ask(application, path)
    profile.disable()
    return sum(entry.callcount for entry in profile.getstats()) / BLOCK


def measure(sides: dict[str, Application], path: str, rounds: int) -> dict[str, float]:
    """Microseconds of CPU time for a request, for each side."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    for name, application in sides.items():
        for _ in range(BLOCK):
            if not (status := ask(application, path)).startswith("200"):
                raise RuntimeError(f"{name}: {path} answers {status}")
    names = list(sides)
    for _ in range(rounds):
        random.shuffle(names)
        for name in names:
            started = time.process_time_ns()
            for _ in range(BLOCK):
                ask(sides[name], path)
            times[name].append((time.process_time_ns() - started) / BLOCK / 1000)
    return {name: mean(sorted(all_)[: max(1, rounds // 4)]) for name, all_ in times.items()}


def sending(application: Application, path: str) -> Application:
    """Wrap an application: gunicorn also checks and writes the headers of its answers."""
    kept: list[Any] = []
    application(environ(path), lambda *answer: kept.extend(answer[:2]))
    configuration = Config()
    request = SimpleNamespace(method="GET", version=(1, 1), should_close=lambda: True)
    nowhere = SimpleNamespace(sendall=len)

    def send(_: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        response = Response(request, nowhere, configuration)
        response.start_response(kept[0], list(kept[1]))
        response.send_headers()
        start_response(*kept)
        return []

    return send


def main(rounds: int, each: bool, paths: list[str]) -> None:
    """Print, for each path and side, time and calls of a request, without and with its headers.

    :param each: whether to also measure the service without each practice in turn.
    """
    security.enforce = lambda app: None  # else a missing practice stops the start
    names = [module.__name__.rpartition(".")[2] for module in security.PRACTICES if each]
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        sys.stderr = nowhere  # the service formats its log lines but writes none
        from bare import app as bare  # of this folder; see tools/bench/layers.py

        sides: dict[str, Application] = {"bare": bare.wsgi_app, "service": without("").wsgi_app}
        sides |= {name: without(name).wsgi_app for name in names}
        found = {}
        for path in paths:
            times = measure(sides, path, rounds)
            found[path] = {name: (times[name], calls(sides[name], path)) for name in sides}
            sent = {name: sending(sides[name], path) for name in ("bare", "service")}
            times = measure(sent, path, rounds)
            found[f"headers of {path}"] = {
                name: (times[name], calls(sent[name], path)) for name in sent
            }
    sys.stderr = sys.__stderr__
    print(json.dumps(found))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2] == "each", sys.argv[3:])
