"""The attacks cover everything: ``tests/resources.py`` describes every model, route and field.

Each test fails with a sentence that says what to write there.
"""

from __future__ import annotations

import pytest
from flask import Flask

from app.auth.models import User
from app.database import Base
from tests.browser import Browser
from tests.marks import asvs, practice, slow
from tests.resources import (
    HERE,
    HIDDEN,
    RESOURCES,
    SAMPLES,
    VALUES,
    WRITABLE,
    Resource,
    add,
    add_all,
    rows,
)
from tests.routes import VARIABLE, own_id, routes
from tests.security import client
from tests.security.entry_points import entry_points

pytestmark = practice("access")

USERS = User.__table__


@asvs("8.2.2")
def test_every_model_with_an_owner_is_described() -> None:
    described = {resource.model for resource in (*RESOURCES, SAMPLES)} | HIDDEN
    for mapper in Base.registry.mappers:
        owned = any(key.references(USERS) for key in mapper.local_table.foreign_keys)
        assert not owned or mapper.class_ in described, (
            f"{HERE} does not describe {mapper.class_.__name__}, whose rows belong to a user:"
            " add a Resource for it to RESOURCES."
        )


@asvs("8.2.1")
def test_every_route_is_described(app: Flask) -> None:
    described = client.PUBLIC | client.PRIVATE | {it for r in RESOURCES for it in r.routes}
    for route in routes(app):
        assert route.endpoint in described, (
            f"{HERE} does not say whose {route.rule} is: add {route.endpoint!r} to `routes` of its"
            " resource, or to PUBLIC or PRIVATE of tests/security/client.py when nobody owns it."
        )


@asvs("8.2.2")
def test_every_route_with_a_variable_part_is_described(app: Flask, alice: Browser) -> None:
    for route in routes(app):
        own_id(app, route, alice.email)  # fails with the sentence


def test_every_route_that_is_described_is_there(app: Flask) -> None:
    there = {route.endpoint for route in routes(app)}
    for resource in RESOURCES:
        for endpoint in {*resource.routes, *filter(None, [resource.pages])}:
            assert endpoint in there, f"{HERE} names the route {endpoint}, which is not there."


def test_a_row_in_a_path_is_named_by_one_id(app: Flask) -> None:
    """The attacks put one public id into a path. One that has two needs more in ``own_path``."""
    for route in routes(app):
        assert len(VARIABLE.findall(route.rule)) <= 1, f"{route.rule}: see {HERE}"


@asvs("2.2.1")
@slow
def test_every_field_is_described(app: Flask, alice: Browser, browser: Browser) -> None:
    """Those of every form and schema; and those of a route have values in its own entry."""
    described = {*VALUES, client.EXTRA_FIELD}
    described |= {name for resource in (*WRITABLE, SAMPLES) for name in resource.fields()}
    for name in sorted(client.fields_of_code(app)):
        assert name in described, (
            f"{HERE} has no value for the field {name!r}: add it to `plain`, `rich` or `values` of"
            " its resource, or to VALUES when it belongs to none."
        )
    add_all(app, alice.email)  # pages show the forms of rows
    assert entry_points(app, alice, browser)


@asvs("2.2.1")
def test_every_query_argument_is_attacked(app: Flask) -> None:
    attacked = {name for names in client.QUERY.values() for name in names}
    for name in sorted(client.query_of_code(app)):
        assert name in attacked, (
            f"tests/security/client.py does not attack the query argument {name!r}: add it to QUERY."
        )


@pytest.mark.parametrize("resource", RESOURCES, ids=str)
def test_a_row_that_is_made_belongs_to_its_user(
    app: Flask, alice: Browser, resource: Resource
) -> None:
    assert resource.model.__table__.c[resource.owner].references(USERS.c.id)
    public_id = add(app, resource, alice.email, "A text")
    row = rows(app, resource, alice.email)[0]
    assert row["public_id"] == public_id
    assert {row[name] for name in (*resource.plain, *resource.rich)} <= {"A text"}
