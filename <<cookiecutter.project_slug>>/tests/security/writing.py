"""How a user writes the texts of a resource, whatever it is: for attacks that go through them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from tests.browser import Browser
from tests.resources import HARMLESS, Resource, add
from tests.routes import Route, own_path, routes
from tests.security import client


class Writer:
    """A user with the routes that write one resource.

    :ivar create: the route for a new row.
    :ivar edits: the routes that change the texts of a row.
    """

    def __init__(self, app: Flask, user: Browser, resource: Resource) -> None:
        self.app, self.user, self.resource = app, user, resource
        other = Browser(app).signed_in("writer@example.com")
        add(app, resource, other.email)  # pages show the form of a row where there is one
        self.taken = client.fields_of_routes(app, other, other)
        texts = {*resource.plain, *resource.rich}
        own = [route for route in routes(app) if route.endpoint in resource.routes]
        writes = [r for r in own if not r.is_safe and texts <= self.taken.get(r.endpoint, set())]
        self.edits = [route for route in writes if route.names_an_object]
        assert self.edits or "version" not in resource.values
        (self.create,) = (route for route in writes if not route.names_an_object)
        self.reads = [route for route in own if route.method == "GET" and route.names_an_object]
        (self.list,) = {r.path() for r in own if r.endpoint == resource.pages}

    def fields(self, route: Route, text: str = HARMLESS) -> dict[str, Any]:
        """The input of the route, with ``text`` in each text field."""
        values = self.resource.fields(text).items()
        return {name: value for name, value in values if name in self.taken[route.endpoint]}

    def path(self, route: Route) -> str:
        """The path of a route; if it names a row, that is the user's newest."""
        return own_path(self.app, route, self.user.email)

    def write(self, route: Route, fields: dict[str, Any], **more: Any) -> TestResponse:
        """Send these fields as our own client does."""
        sent = {"headers": client.proof(self.user), **client.encode(fields), **more}
        return self.user.open(route.method, self.path(route), **sent)

    def read(self) -> Iterable[TestResponse]:
        """The newest row, by every route that shows it."""
        for route in self.reads:
            yield self.user.get(self.path(route))
