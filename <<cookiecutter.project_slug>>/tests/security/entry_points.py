"""Every entry point, where input comes into the service, and who attacks through it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from urllib.parse import quote

from flask import Flask
from werkzeug.test import TestResponse

from tests.browser import Browser
# <% if cookiecutter.auth != "oidc" %>
from tests.mailbox import token_for
# <% endif %>
from tests.resources import WRITABLE, accepted, add_all, resource_of
from tests.routes import VARIABLE, Route, own_path, routes
from tests.security import client

MOST = 8  # requests from one account: two fewer than most limits allow
UNKNOWN_PATH = Route("", "GET", "/<path:unknown>")


@dataclass(frozen=True)
class EntryPoint:
    """One field, variable part of the path, query argument or header of a route, or its body.

    :param fields: what is sent besides, so that the route does what it is for.
    """

    route: Route
    kind: str  # "field", "body", "path", "query" or "header"
    name: str = ""
    fields: dict[str, Any] = field(default_factory=dict, hash=False, compare=False)

    def __str__(self) -> str:
        return f"{self.route.method} {self.route.rule} {self.kind} {self.name}"

    @property
    def reaches_database(self) -> bool:
        """Whether this is an address, which is looked up, or a text of a new row."""
        resource = resource_of(self.route.endpoint)
        texts = (*resource.plain, *resource.rich) if resource else ("email",)
        is_new = not VARIABLE.search(self.route.rule)
        return self.kind == "field" and self.name in texts and is_new


def entry_points(app: Flask, user: Browser, guest: Browser) -> list[EntryPoint]:
    """All of them, from the routes and from the fields that these take."""
    taken = client.fields_of_routes(app, user, guest)
    found = []
    for route in routes(app):
        if route.method in ("HEAD", "OPTIONS"):
            continue
        names = set() if route.is_safe else taken.get(route.endpoint, set())
        fields = accepted(route.endpoint, names)
        kinds = [("path", name) for name in VARIABLE.findall(route.rule)]
        kinds += [("query", name) for name in client.QUERY[route.is_safe]]
        if not route.is_safe:
            kinds += [("field", name) for name in sorted({*fields, client.EXTRA_FIELD})]
            kinds += [("body", "")]
        found += [EntryPoint(route, kind, name, fields) for kind, name in kinds]
        if route.method == "GET" and route.path() in client.HEADER_PATHS:
            found += [EntryPoint(route, "header", name) for name in client.HEADERS]
    found += [EntryPoint(UNKNOWN_PATH, "path", "unknown")]
    described = {name for resource in WRITABLE for name in resource.fields()}
    names = {entry.name for entry in found if entry.kind == "field"}
    assert names == client.FIELDS | described | {client.EXTRA_FIELD}
    return found


class Attacker:
    """Sends attacks as users do who are not stopped by a limit: few requests from each account."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.numbers = count(1)
        self.renew()

    def renew(self) -> None:
        """Another account at another address, with a row of each resource."""
        self.number = next(self.numbers)
        self.sent = 0
        self.browser = Browser(self.app, f"10.0.{self.number // 250}.{self.number % 250 + 1}")
        self.browser.signed_in(f"user{self.number}@example.com")
        add_all(self.app, self.browser.email)
        self.proof = client.proof(self.browser)

    def make_room(self, route: Route) -> None:
        """Be another account, where this one has nearly reached the limit of the route."""
        limit = getattr(self.app.view_functions.get(route.endpoint), "rate_limit", None)
        rate = limit.rate.split()[0] if limit and limit.rate else MOST
        if self.sent >= min(int(rate), MOST):
            self.renew()

    def send(self, entry: EntryPoint, attack: str | bytes) -> TestResponse:
        """Send ``attack`` through ``entry``; nothing else about the request is wrong."""
        self.make_room(entry.route)
        quoted = quote(attack, safe="")
        if entry.kind == "path":
            path = entry.route.attacked(quoted)
        else:
            path = own_path(self.app, entry.route, self.browser.email)
        path += f"?{entry.name}={quoted}" if entry.kind == "query" else ""
        headers: dict[str, str | None] = {}
        if entry.kind == "header":
            text = attack if isinstance(attack, str) else attack.decode("latin-1")
            headers[entry.name] = re.sub(r"[\r\n]", " ", text).encode().decode("latin-1")
        if entry.route.is_safe:
            # A page is free, but a few routes that only read have a limit.
            view = self.app.view_functions.get(entry.route.endpoint)
            self.sent += hasattr(view, "rate_limit")
            return self.browser.get(path, headers=headers)
        sent = client.encode(self.fill_in(entry, attack))
        if entry.kind == "body":
            sent["data"] = attack
        return self.write(entry.route.method, path, **sent)

    def fill_in(self, entry: EntryPoint, attack: str | bytes) -> dict[str, Any]:
        """All fields: the attack in one of them, and the attacker's own address."""
        fields = dict(entry.fields)
        if "email" in fields:
            new = f"-{self.sent}" if entry.route.endpoint == "links.register" else ""
            fields["email"] = f"user{self.number}{new}@example.com"
        # <% if cookiecutter.auth != "oidc" %>
        if "token" in fields:  # one that counts: what else is sent is looked at
            fields["token"] = token_for(self.app, entry.route.endpoint, self.browser.email)
        # <% endif %>
        if "refresh_token" in fields:  # whose it is counts, too
            fields["refresh_token"] = f"user{self.number}.x.y"
        return fields | ({entry.name: attack} if entry.kind == "field" else {})

    def deliver(self, route: Route, body: bytes, content_type: str) -> TestResponse:
        """Send these bytes as a body."""
        self.make_room(route)
        path = own_path(self.app, route, self.browser.email)
        return self.write(route.method, path, data=body, content_type=content_type)

    def write(self, method: str, path: str, **sent: Any) -> TestResponse:
        """Send it as our own pages do: the view sees it."""
        self.sent += 1
        response = self.browser.open(method, path, headers=self.proof, **sent)
        if response.status_code < 400:
            self.renew()  # signed out, or the password changed, or the row is gone
        return response
