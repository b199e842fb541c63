"""All routes of the service, for tests that must cover each of them."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass

from flask import Flask
from sqlalchemy import select

from app.auth.models import User
from app.database import Base, db
from app.secret import Secret
from tests.resources import ARGUMENTS, HERE, RESOURCES, SAMPLES, resource_of
from tests.stored import stored_rows

UNKNOWN = "A" * 22  # a public id that nobody has
SAFE = {"GET", "HEAD", "OPTIONS"}
VARIABLE = re.compile(r"<(?:[^<>]*:)?(\w+)>")  # a variable part of a rule, with its name


@dataclass(frozen=True)
class Route:
    endpoint: str
    method: str
    rule: str

    @property
    def names_an_object(self) -> bool:
        """Whether the path has the id of a resource of a user."""
        return bool(VARIABLE.search(self.rule)) and self.endpoint not in ARGUMENTS

    @property
    def is_safe(self) -> bool:
        """Whether a request changes nothing (RFC 9110, section 9.2.1)."""
        return self.method in SAFE

    def path(self, public_id: str = UNKNOWN) -> str:
        """The route's path; ``public_id`` is that of a user's resource."""
        fixed = ARGUMENTS.get(self.endpoint, {})
        return VARIABLE.sub(lambda part: fixed.get(part[1], public_id), self.rule)

    def attacked(self, text: str) -> str:
        """The route's path with ``text`` in each variable part."""
        return VARIABLE.sub(lambda _: text, self.rule)


def routes(app: Flask) -> list[Route]:
    """Every method of every rule; those of :mod:`tests.sample` only where it is attacked."""
    left_out = frozenset() if SAMPLES in RESOURCES else SAMPLES.routes
    return [
        Route(rule.endpoint, method, rule.rule)
        for rule in app.url_map.iter_rules()
        if rule.endpoint not in left_out
        for method in sorted(rule.methods or ())
    ]


def unsafe_routes(app: Flask) -> list[Route]:
    return [route for route in routes(app) if not route.is_safe]


def own_id(app: Flask, route: Route, email: str) -> str:
    """The public id of the newest row that this user owns and the route names.

    :raises AssertionError: when ``tests/resources.py`` does not describe what the route names.
    """
    if not route.names_an_object:
        return UNKNOWN
    resource = resource_of(route.endpoint)
    assert resource, (
        f"{HERE} does not say what {route.rule} names: add {route.endpoint!r} to `routes` of its"
        " resource, or values for its variable parts to ARGUMENTS when nobody owns it."
    )
    columns = resource.model.__table__.c
    with app.app_context():
        user = select(User.id).where(User.email == Secret(email)).scalar_subquery()
        query = select(columns.public_id).where(columns[resource.owner] == user)
        return db.session.scalars(query.order_by(columns.id.desc())).first() or UNKNOWN


def own_path(app: Flask, route: Route, email: str) -> str:
    """The path of the route to a resource of this user."""
    return route.path(own_id(app, route, email))


def fingerprint(app: Flask) -> str:
    """A hash of every row, without the time at which a session was last seen."""
    tables = {*Base.metadata.sorted_tables, *(it.model.__table__ for it in RESOURCES)}
    with app.app_context():
        rows = {
            table.name: [
                {k: str(v) for k, v in row.items() if k != "last_seen_at"}
                for row in stored_rows(table)
            ]
            for table in tables
        }
    return hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()
