"""Scenarios: each feature of the service, used once, for tests of its cost."""

from __future__ import annotations

from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from app.auth.models import User
from app.database import db
from tests.account_scenarios import use_account
from tests.actions import PUBLIC_PATHS
from tests.browser import Browser, account
from tests.own_data_actions import download, ready_to_delete
from tests.resources import WRITABLE, Resource, add
from tests.security.writing import Writer


def fill(app: Flask) -> None:
    """Give the one user there is more than a page of each resource, and others an account."""
    with app.app_context():
        owner = db.session.scalars(select(User)).one()
        for number in range(60):
            for resource in WRITABLE:
                db.session.add(resource.row(owner))
            db.session.add(User(**account(f"user{number}@example.com")))
        db.session.commit()


def use_everything(
    app: Flask, alice: Browser, *, health: tuple[str, ...] = ("/healthz", "/readyz")
) -> None:
    """Ask for every route; ``alice`` is signed in and has more than a page of each resource.

    :param health: the paths that Nginx lets nobody ask for.
    """
    for path in (*PUBLIC_PATHS, *health, "/.well-known/security.txt"):
        succeed(alice.get(path))
    for resource in WRITABLE:
        use(app, alice, resource)
    use_account(app, alice)
    succeed(download(alice))
    succeed(alice.sign_out())
    leaving = Browser(app, "198.51.100.10").signed_in("dave@example.com")
    succeed(ready_to_delete(leaving)())


def use(app: Flask, alice: Browser, resource: Resource) -> None:
    """Ask for every route of a resource."""
    writer = Writer(app, alice, resource)
    succeed(alice.get(writer.list))
    succeed(alice.get(f"{writer.list}?before={add(app, resource, alice.email)}"))
    for path in writer.forms:
        succeed(alice.get(path))
    succeed(writer.write(writer.create, writer.fields(writer.create)))
    for answer in writer.read():
        succeed(answer)
    for route in writer.edits:
        succeed(writer.write(route, writer.edited(route, "Edited")))
    for route in writer.others:
        add(app, resource, alice.email)  # the one before may have been deleted
        succeed(writer.write(route, writer.fields(route)))


def succeed(response: TestResponse) -> None:
    assert response.status_code < 400, response.text
