"""Every place where input enters the service, and who attacks through it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import count
from urllib.parse import quote

from flask import Flask
from werkzeug.test import TestResponse

from tests.browser import DATABASE_FIELDS, FIELDS, Browser, html


@dataclass(frozen=True)
class Entrance:
    """A place where input enters: one field, path argument, query argument or header of a route."""

    method: str
    path: str  # with {id} where a note's id stands
    kind: str
    name: str
    form: dict[str, str] = field(default_factory=dict, hash=False, compare=False)

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.kind} {self.name}"


QUERY_NAMES = ("next", "before", "v", "anything")
HEADERS = ("User-Agent", "Referer", "Accept", "Accept-Language", "X-Request-ID", "Cookie")
VALUES = {
    "email": "",  # filled in by Attacker
    "password": "wool-lantern-orbit-7-thistle",
    "confirm": "wool-lantern-orbit-7-thistle",
    "current_password": "wool-lantern-orbit-7-thistle",
    "new_password": "kelp-drizzle-9-anvil-tooth",
    "title": "A title",
    "body": "A body",
    "version": "1",
}


def entrances(app: Flask, user: Browser, visitor: Browser) -> list[Entrance]:
    """All of them, from the routes and from the forms on their pages."""
    note = user.write_note().rsplit("/", 1)[1]
    found = []
    for rule in app.url_map.iter_rules():
        methods = rule.methods or set()
        path = rule.rule.replace("<public_id:public_id>", "{id}")
        path = path.replace("<path:filename>", "app.css")
        if rule.arguments:
            attacked = re.sub("<.*?>", "{attack}", rule.rule)
            found += [Entrance(m, attacked, "path", "id") for m in ("GET", "POST") if m in methods]
        if "GET" in methods:
            found += [Entrance("GET", path, "query", name) for name in QUERY_NAMES]
        if "POST" in methods:
            who = visitor if path.startswith("/auth/") else user
            names = {"csrf_token"}
            if "GET" in methods:
                page = html(who.get(path.replace("{id}", note)))
                names = {str(i.attributes["name"]) for i in page.css("main form [name]")}
            form = {name: VALUES[name] for name in names if name in VALUES}
            found += [Entrance("POST", path, "form", name, form) for name in sorted(names)]
            found += [Entrance("POST", path, "query", name, form) for name in QUERY_NAMES[:2]]
    found += [Entrance("GET", path, "header", h) for path in ("/", "/account/") for h in HEADERS]
    found += [Entrance("GET", "/{attack}", "path", "unknown")]
    assert {e.name for e in found if e.kind == "form"} == FIELDS
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
        self.token = self.fresh_token()

    def fresh_token(self) -> str:
        page = html(self.browser.get("/notes/new"))
        return str(page.css_first("main form input[name=csrf_token]").attributes["value"])

    def send(self, entrance: Entrance, attack: str | bytes) -> TestResponse:
        """Send ``attack`` through ``entrance``; nothing else about the request is wrong."""
        writes = entrance.method == "POST"
        if self.sent >= 8:
            self.renew()
        self.sent += writes
        path = entrance.path.replace("{id}", self.note)
        path = path.replace("{attack}", quote(attack, safe=""))
        if entrance.kind == "query":
            path += f"?{entrance.name}={quote(attack, safe='')}"
        headers: dict[str, str | None] = {}
        if entrance.kind == "header":
            text = attack if isinstance(attack, str) else attack.decode("latin-1")
            headers[entrance.name] = re.sub(r"[\r\n]", " ", text).encode().decode("latin-1")
        if not writes:
            return self.browser.get(path, headers=headers)
        form: dict[str, str | bytes] = {**entrance.form, "csrf_token": self.token}
        if "email" in form:
            new = f"-{self.sent}" if path.startswith("/auth/register") else ""
            form["email"] = f"user{self.number}{new}@example.com"
        if entrance.kind == "form":
            form[entrance.name] = attack
        body = "&".join(f"{name}={quote(value, safe='')}" for name, value in form.items())
        response = self.browser.post(
            path, body, headers=headers, content_type="application/x-www-form-urlencoded"
        )
        if response.status_code < 400:
            self.renew()  # signed out, or the password changed
        return response

    def deliver(self, method: str, path: str, body: bytes, content_type: str) -> TestResponse:
        """Send these bytes as a body. The CSRF token is right, and in a header: a view sees them."""
        if self.sent >= 8:
            self.renew()
        self.sent += 1
        sent = {"data": body, "content_type": content_type, "headers": {"X-CSRFToken": self.token}}
        response = self.browser.open(method, path.replace("{id}", self.note), **sent)
        if response.status_code < 400:
            self.renew()
        return response


# Where input is looked up or written.
REACHES_DATABASE = {
    *(Entrance("POST", path, "form", name) for path, name in DATABASE_FIELDS),
    Entrance("POST", "/notes/new", "form", "title"),
    Entrance("POST", "/notes/new", "form", "body"),
}
