"""What users own: each resource is described once, and the tests of security attack all of it.

For a new resource, add an entry to :data:`RESOURCES`. ``tests/security/test_resources.py`` fails
while a model, a route or a field has none, and says what to write here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
# <% if cookiecutter.auth == "token" %>
from datetime import timedelta
# <% endif %>
# <% if cookiecutter.auth != "oidc" %>
from secrets import token_hex
# <% endif %>
from typing import Any

from flask import Flask
from sqlalchemy import select

# <% if cookiecutter.auth != "oidc" %>
from app.auth import sessions
from app.auth.devices import Device
from app.auth.links import Link
# <% endif %>
from app.auth.models import Session, User
# <% if cookiecutter.auth != "oidc" %>
from app.auth.passkeys import Passkey
# <% endif %>
# <% if cookiecutter.auth == "token" %>
from app.auth.personal_tokens import PersonalToken
# <% endif %>
# <% if cookiecutter.auth != "oidc" %>
from app.auth.recovery_codes import RecoveryCode
from app.auth.tickets import Ticket
from app.auth.totp import AuthenticatorApp
# <% endif %>
# <% if cookiecutter.auth == "token" %>
from app.database import db, now
# <% else %>
from app.database import db
# <% endif %>
from app.notes.models import Note
from app.secret import Secret
from app.security.rich_text import RichText
from tests.accounts import start_session
from tests.browser import PASSWORD
from tests.sample.models import Sample

HERE = "tests/resources.py"
HARMLESS = "A harmless text"
NEW_PASSWORD = "kelp-drizzle-9-anvil-tooth"


@dataclass(frozen=True)
class Resource:
    """Rows that belong to one user. Nobody else may read or change them.

    :param owner: the name of the column with the owner's id.
    :param routes: the endpoints that read or change such rows.
    :param make: makes a row of this user with these texts, by field. It need not commit.
    :param plain: the fields that hold one line of text.
    :param rich: the fields that hold Markdown.
    :param values: the other fields, each with a value that is accepted for a new row.
    :param pages: the endpoint that lists the rows page by page, from ``?before=<public id>`` on.
    """

    model: type[Any]
    owner: str
    routes: frozenset[str]
    make: Callable[[User, dict[str, str]], Any]
    plain: tuple[str, ...] = ()
    rich: tuple[str, ...] = ()
    values: dict[str, Any] = field(default_factory=dict)
    pages: str = ""

    def __str__(self) -> str:
        return str(self.model.__tablename__)

    def texts(self, text: str = HARMLESS) -> dict[str, str]:
        """This text for each field that holds text."""
        return dict.fromkeys((*self.plain, *self.rich), text)

    def row(self, owner: User, text: str = HARMLESS) -> Any:
        """A row of this user with this text in each field that holds text, not yet stored."""
        rich = dict.fromkeys(self.rich, RichText(text))
        return self.make(owner, dict.fromkeys(self.plain, text) | rich)

    def fields(self, text: str = HARMLESS) -> dict[str, Any]:
        """A value for each field that is accepted; ``text`` in those that hold text."""
        return self.texts(text) | self.values


# <% if cookiecutter.auth != "oidc" %>
def new_passkey(owner: User) -> Passkey:
    """A passkey, by which all sessions of its owner are proven from now on."""
    for session in sessions.of_user(owner):
        session.proof = "passkey"
    parts = {"credential_id": "AAAA", "public_key": "AAAA", "sign_count": 0, "name": "Laptop"}
    return Passkey(user_id=owner.id, credential_hash=token_hex(), **parts)


# <% endif %>
NOTES = Resource(
    model=Note,
    owner="owner_id",
    routes=frozenset({"notes.index", "notes.create", "notes.show", "notes.edit", "notes.delete"}),
    make=lambda owner, texts: Note(owner_id=owner.id, **texts),
    plain=("title",),
    rich=("body",),
    values={"version": 1},
    pages="notes.index",
)
SESSIONS = Resource(
    model=Session,
    owner="user_id",
    # <% if cookiecutter.__interface == "html" %>
    routes=frozenset({"account.index", "account.revoke", "account.revoke_others"}),
    # <% else %>
    routes=frozenset({"sessions.index", "sessions.end", "sessions.revoke_others"}),
    # <% endif %>
    make=lambda owner, _: start_session(owner, "203.0.113.99")[0],
)
# <% if cookiecutter.auth != "oidc" %>
PASSKEYS = Resource(
    model=Passkey,
    owner="user_id",
    routes=frozenset({"second_factors.remove_passkey"}),
    make=lambda owner, _: new_passkey(owner),
)
# <% endif %>
# <% if cookiecutter.auth == "token" %>
PERSONAL_TOKENS = Resource(
    model=PersonalToken,
    owner="user_id",
    routes=frozenset(f"personal_tokens.{name}" for name in ("index", "create", "revoke")),
    make=lambda owner, _: PersonalToken(
        user_id=owner.id,
        token_hash=token_hex(32),
        name="Backup",
        scopes="read",
        expires_at=now() + timedelta(days=90),
    ),
)
RESOURCES = (NOTES, SESSIONS, PASSKEYS, PERSONAL_TOKENS)
# <% elif cookiecutter.auth == "session" %>
RESOURCES = (NOTES, SESSIONS, PASSKEYS)
# <% endif %>
# <% if cookiecutter.auth != "oidc" %>
# Models with an owner whose rows no route names: a token finds one, or there is one of each user.
HIDDEN: frozenset[type[Any]] = frozenset({AuthenticatorApp, Device, Link, RecoveryCode, Ticket})
# <% else %>
RESOURCES = (NOTES, SESSIONS)
HIDDEN: frozenset[type[Any]] = frozenset()
# <% endif %>

# Of the tests' own. It is attacked where no resource of the service has a line, a rich text and a
# version: what the service has for such rows is proven all the same.
SAMPLES = Resource(
    model=Sample,
    owner="owner_id",
    routes=frozenset(f"samples.{name}" for name in ("index", "create", "show", "edit", "delete")),
    make=lambda owner, texts: Sample(owner_id=owner.id, **texts),
    plain=("title",),
    rich=("body",),
    values={"version": 1},
    pages="samples.index",
)
if not any(it.plain and it.rich and "version" in it.values for it in RESOURCES):
    RESOURCES = (*RESOURCES, SAMPLES)
WRITABLE = [resource for resource in RESOURCES if resource.fields()]
EDITED = [resource for resource in WRITABLE if "version" in resource.values]

# Fields of no resource, each with a value that is accepted; "dave" has no account.
VALUES = {
    "email": "dave@example.com",
    "password": PASSWORD,
    "confirm": NEW_PASSWORD,
    "current_password": PASSWORD,
    "new_password": NEW_PASSWORD,
    "refresh_token": "x.y.z",
    "logout_token": "x.y.z",
    "account": "1",
    "token": "x" * 43,
    "device_token": "x" * 43,
    # <% if cookiecutter.auth != "oidc" %>
    "code": "123456",
    "name": "Laptop",
    # <% endif %>
    # <% if cookiecutter.auth == "session" %>
    "credential": "{}",
    "stay": "y",
    # <% elif cookiecutter.auth == "token" %>
    "credential": {"id": "AAAA"},
    "ticket": "x" * 43,
    "scopes": ["read"],
    "days": 30,
    # <% endif %>
}
# The variable parts of routes to what nobody owns, each with a value that is found.
ARGUMENTS = {"static": {"filename": "app.css"}}


def resource_of(endpoint: str) -> Resource | None:
    """The resource that a route reads or changes."""
    return next((it for it in RESOURCES if endpoint in it.routes), None)


def values_for(endpoint: str) -> dict[str, Any]:
    """A value for every field that a route may take: those of its resource, and all of no one."""
    resource = resource_of(endpoint)
    return VALUES | (resource.fields() if resource else {})


def accepted(endpoint: str, names: set[str]) -> dict[str, Any]:
    """A value for each of these fields of a route, so that the route does what it is for."""
    known = values_for(endpoint)
    for name in sorted(names - known.keys()):
        where = f"the entry that has the route {endpoint}" if resource_of(endpoint) else "VALUES"
        raise AssertionError(
            f"{HERE} has no value for the field {name!r} of {endpoint}: add it to {where}."
        )
    found = {name: known[name] for name in names}
    if "confirm" in found:
        found["confirm"] = found.get("new_password", PASSWORD)
    return found


def add(app: Flask, resource: Resource, email: str, text: str = HARMLESS) -> str:
    """Add a row of this user, with ``text`` in each field that holds text; its public id."""
    with app.app_context():
        owner = db.session.scalars(select(User).where(User.email == Secret(email))).one()
        row = resource.row(owner, text)
        db.session.add(row)
        db.session.commit()
        return str(row.public_id)


def add_all(app: Flask, email: str, text: str = HARMLESS) -> None:
    """Add a row of each resource that users write."""
    for resource in WRITABLE:
        add(app, resource, email, text)


def rows(app: Flask, resource: Resource, email: str) -> list[dict[str, Any]]:
    """This user's rows of a resource as they are stored, the newest first.

    A rich text has the name of its field for the Markdown, and that and ``_html`` for the HTML.
    """
    columns = resource.model.__table__.c
    owner = select(User.id).where(User.email == Secret(email)).scalar_subquery()
    query = select(columns).where(columns[resource.owner] == owner).order_by(columns.id.desc())
    with app.app_context():
        found = db.session.execute(query).all()
    sources = {f"{name}_source": name for name in resource.rich}
    names = [sources.get(column.key, column.key) for column in columns]
    return [dict(zip(names, map(str, row), strict=True)) for row in found]
