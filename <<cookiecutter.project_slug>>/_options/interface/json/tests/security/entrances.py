"""Every place where input enters the service, and who attacks through it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from urllib.parse import quote

from flask import Flask
from werkzeug.test import TestResponse

from tests.browser import API, NOTES, PASSWORD, SIGN_IN, SIGN_UP, Browser
from tests.routes import routes


@dataclass(frozen=True)
class Entrance:
    """A place where input enters: one field, path argument, query argument or header of a route."""

    method: str
    path: str  # with {id} where a note's id stands
    kind: str
    name: str
    body: dict[str, Any] = field(default_factory=dict, hash=False, compare=False)

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.kind} {self.name}"


QUERY_NAMES = ("before", "access_token", "anything")
HEADERS = ("User-Agent", "Accept", "Origin", "X-Request-ID", "Cookie", "Authorization")
NOTE = {"title": "A title", "body": "A body"}
# What each route takes; a route that is new is listed here, or `entrances` fails.
BODIES: dict[str, dict[str, Any]] = {
    f"POST {SIGN_UP}": {"email": "", "password": PASSWORD},  # the address is filled in by Attacker
    f"POST {SIGN_IN}": {"email": "", "password": PASSWORD},
    f"POST {API}/auth/refresh": {"refresh_token": "x"},
    f"POST {API}/auth/logout": {},
    f"PUT {API}/me/password": {
        "current_password": PASSWORD,
        "new_password": "kelp-drizzle-9-anvil-tooth",
    },
    f"POST {NOTES}": NOTE,
    f"PUT {NOTES}/{{id}}": NOTE | {"version": 1},
    f"DELETE {NOTES}/{{id}}": {},
}
# Where input is looked up or written.
REACHES_DATABASE = {
    Entrance("POST", SIGN_IN, "field", "email"),
    Entrance("POST", SIGN_UP, "field", "email"),
    Entrance("POST", NOTES, "field", "title"),
    Entrance("POST", NOTES, "field", "body"),
}


def entrances(app: Flask, user: Browser, visitor: Browser) -> list[Entrance]:
    """All of them, from the routes."""
    found = []
    for route in routes(app):
        if route.method in ("HEAD", "OPTIONS"):
            continue
        path = route.path("{id}")
        body = BODIES[f"{route.method} {path}"] if route.method != "GET" else {}
        if "{id}" in path:
            found.append(
                Entrance(route.method, path.replace("{id}", "{attack}"), "path", "id", body)
            )
        found += [Entrance(route.method, path, "query", name, body) for name in QUERY_NAMES]
        found += [Entrance(route.method, path, "field", name, body) for name in (*body, "unknown")]
        found.append(Entrance(route.method, path, "body", "whole", body))
    found += [Entrance("GET", path, "header", name) for path in (NOTES, "/") for name in HEADERS]
    found += [Entrance("GET", "/{attack}", "path", "unknown")]
    assert {f"{e.method} {e.path}" for e in found} >= set(BODIES)
    return found


class Attacker:
    """Sends attacks as users do who are not stopped by a limit: few requests from each account."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.numbers = count(1)
        self.renew()

    def renew(self) -> None:
        """Another account at another address."""
        self.number = next(self.numbers)
        self.sent = 0
        self.browser = Browser(self.app, f"10.0.{self.number // 250}.{self.number % 250 + 1}")
        self.browser.signed_in(f"user{self.number}@example.com")
        self.note = self.browser.write_note().rsplit("/", 1)[1]

    def send(self, entrance: Entrance, attack: str | bytes) -> TestResponse:
        """Send ``attack`` through ``entrance``; nothing else about the request is wrong."""
        writes = entrance.method != "GET"
        if self.sent >= 8:
            self.renew()
        self.sent += writes
        path = entrance.path.replace("{id}", self.note)
        path = path.replace("{attack}", quote(attack, safe=""))
        if entrance.kind == "query":
            path += f"?{entrance.name}={quote(attack, safe='')}"
        text = attack if isinstance(attack, str) else attack.decode("latin-1")
        headers: dict[str, str | None] = {}
        if entrance.kind == "header":
            headers[entrance.name] = re.sub(r"[\r\n]", " ", text).encode().decode("latin-1")
        if not writes:
            return self.browser.get(path, headers=headers)
        body = dict(entrance.body)
        if "email" in body:
            new = f"-{self.sent}" if path.startswith(SIGN_UP) else ""
            body["email"] = f"user{self.number}{new}@example.com"
        if "refresh_token" in body:
            body["refresh_token"] = f"user{self.number}.x.y"
        if entrance.kind == "field":
            body[entrance.name] = text
        if entrance.kind == "body":
            json = {"content_type": "application/json"}
            response = self.browser.open(entrance.method, path, data=attack, **json)
        else:
            response = self.browser.send(entrance.method, path, body, headers=headers)
        if response.status_code < 400:
            self.renew()  # signed out, or the password changed
        return response

    def deliver(self, method: str, path: str, body: bytes, content_type: str) -> TestResponse:
        """Send these bytes as a body."""
        if self.sent >= 8:
            self.renew()
        self.sent += 1
        sent = {"data": body, "content_type": content_type}
        response = self.browser.open(method, path.replace("{id}", self.note), **sent)
        if response.status_code < 400:
            self.renew()
        return response
