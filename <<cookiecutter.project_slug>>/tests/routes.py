"""All routes of the service, for tests that must not forget one."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from flask import Flask
from sqlalchemy import select

from app.auth.models import Session, User
from app.database import Base, db
from app.notes.models import Note

UNKNOWN = "A" * 22  # a public id that nobody has
SAFE = {"GET", "HEAD", "OPTIONS"}


@dataclass(frozen=True)
class Route:
    endpoint: str
    method: str
    rule: str

    def path(self, public_id: str = UNKNOWN) -> str:
        """The route's path; ``public_id`` takes the place of every variable part."""
        path = self.rule.replace("<public_id:public_id>", public_id)
        return path.replace("<path:filename>", "app.css")


def routes(app: Flask) -> list[Route]:
    """Every method of every rule."""
    return [
        Route(rule.endpoint, method, rule.rule)
        for rule in app.url_map.iter_rules()
        for method in sorted(rule.methods or ())
    ]


def unsafe_routes(app: Flask) -> list[Route]:
    return [route for route in routes(app) if route.method not in SAFE]


def own_id(app: Flask, route: Route, email: str) -> str:
    """The public id of what ``email`` owns and ``route`` names: a session or a note."""
    with app.app_context():
        user = select(User.id).where(User.email == email).scalar_subquery()
        if "/sessions/" in route.rule:
            query = select(Session.public_id).where(Session.user_id == user)
        else:
            query = select(Note.public_id).where(Note.owner_id == user)
        return db.session.scalars(query).first() or UNKNOWN


def fingerprint(app: Flask) -> str:
    """A hash of every row, but for the time a session was last seen."""
    with app.app_context():
        rows = {
            table.name: [
                {k: str(v) for k, v in row._mapping.items() if k != "last_seen_at"}
                for row in db.session.execute(select(table).order_by(table.c.id))
            ]
            for table in Base.metadata.sorted_tables
        }
    return hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()
