"""How a user writes the rows of a resource, whatever it is: for attacks that go through them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from flask import Flask
from werkzeug.test import TestResponse

from tests.browser import Browser
from tests.resources import HARMLESS, HERE, Resource, add_all, rows
from tests.routes import Route, own_path, routes
from tests.security import client

# What each route of an app takes: to read the forms of all pages takes longer than most tests.
TAKEN: WeakKeyDictionary[Flask, dict[str, set[str]]] = WeakKeyDictionary()


class Writer:
    """A user with the routes of one resource.

    :ivar create: the route for a new row.
    :ivar edits: the routes that change what is written in a row.
    :ivar others: the routes that change a row otherwise, such as its deletion.
    :ivar reads: the routes that show a row.
    :ivar list: the path of the list.
    :ivar forms: the other paths of pages that show no row.
    """

    def __init__(self, app: Flask, user: Browser, resource: Resource) -> None:
        self.app, self.user, self.resource = app, user, resource
        self.taken = TAKEN.get(app) or TAKEN.setdefault(app, fields_of_routes(app))
        fields = {*resource.fields()} - {"version"}
        own = [route for route in routes(app) if route.endpoint in resource.routes]
        changing = [route for route in own if not route.is_safe]
        writes = [it for it in changing if fields <= self.taken.get(it.endpoint, set())]
        self.edits = [route for route in writes if route.names_an_object]
        self.others = [route for route in changing if route not in writes]
        self.reads = [route for route in own if route.method == "GET" and route.names_an_object]
        lists = {route.path() for route in own if route.endpoint == resource.pages}
        new = [route for route in writes if not route.names_an_object]
        assert len(new) == len(lists) == 1, (
            f"{HERE}: `routes` of {resource} need one route for a new row that takes"
            f" {sorted(fields)}, and `pages` names the one for their list."
        )
        assert self.edits or "version" not in resource.values
        (self.create,), (self.list,) = new, lists
        pages = {r.path() for r in own if r.method == "GET" and not r.names_an_object}
        self.forms = sorted(pages - lists)

    def fields(self, route: Route, text: str = HARMLESS) -> dict[str, Any]:
        """The input of the route, with ``text`` in each text field."""
        taken = self.taken.get(route.endpoint, set())
        return {name: value for name, value in self.resource.fields(text).items() if name in taken}

    def edited(self, route: Route, text: str) -> dict[str, Any]:
        """The same, for a change of the newest row as it is now."""
        fields = self.fields(route, text)
        if "version" in fields:
            fields["version"] = int(rows(self.app, self.resource, self.user.email)[0]["version"])
        return fields

    def path(self, route: Route) -> str:
        """The path of a route; if it names a row, that is the user's newest."""
        return own_path(self.app, route, self.user.email)

    def ready(
        self, route: Route, fields: dict[str, Any], tab: Browser | None = None, **more: Any
    ) -> Callable[[], TestResponse]:
        """What sends these fields as our own client does, all else is done now.

        :param tab: another browser of the same user.
        """
        user = tab or self.user
        sent = {"headers": client.proof(user), **client.encode(fields), **more}
        return partial(user.open, route.method, self.path(route), **sent)

    def write(self, route: Route, fields: dict[str, Any], **more: Any) -> TestResponse:
        """Send these fields as our own client does."""
        return self.ready(route, fields, **more)()

    def read(self) -> Iterable[TestResponse]:
        """The newest row, by every route that shows it."""
        for route in self.reads:
            yield self.user.get(self.path(route))


def fields_of_routes(app: Flask) -> dict[str, set[str]]:
    """The fields that each route takes from a user who has a row of each resource."""
    other = Browser(app).signed_in("writer@example.com")
    add_all(app, other.email)  # pages show the forms of a row where there is one
    return client.fields_of_routes(app, other, other)
