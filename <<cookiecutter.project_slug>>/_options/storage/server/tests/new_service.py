"""A service that is not on the server yet: ``flask db create`` makes its roles and its database."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

from flask import Flask
from sqlalchemy import URL, make_url

from app.database import dialect
from app.database.roles import Roles
from tests import needs, roles
from tests.database import development, dispose, flask_db, own_settings


def administrator() -> URL:
    """The server's administrator: `make db` needs one as well."""
    return make_url(development().admin_database_url.reveal() or dialect.admin_url())


class NewService:
    """A service by its names, with a connection of the administrator."""

    def __init__(self, admin: roles.Admin, make_app: Callable[..., Flask]) -> None:
        self.admin = admin
        self.make_app = make_app
        self.number = secrets.token_hex(4)
        self.other = f"other-{self.number}"  # a role that is not of this service
        self.name(f"test-{self.number}")

    def name(self, name: str) -> None:
        """Take the names that are made from this one: at most 32 characters for a role."""
        place = make_url(development().database_url.reveal())
        self.app = place.set(username=f"{name}-app", password=roles.PASSWORD, database=name)
        self.migrator = self.app.set(username=f"{name}-mig", password=roles.PASSWORD[::-1])
        self.mail: URL | None = self.app.set(username=f"{name}-mail", password=f"{roles.PASSWORD}2")

    @property
    def roles(self) -> Roles:
        return Roles(self.app, self.migrator, self.mail)

    def build(self, admin: str | None = None) -> Flask:
        """The service in production, with its database."""
        return self.make_app(**self.settings(), ADMIN_DATABASE_URL=admin)

    def settings(self) -> dict[str, str | None]:
        """The settings that name its roles, and no other."""
        return {"MAIL_DATABASE_URL": None, **own_settings(self.roles)}

    def flask(self, *arguments: object, admin: URL | None = None) -> Any:
        """Run ``flask db ...`` of this service in production."""
        named = admin and admin.render_as_string(hide_password=False)
        app = self.build(named or development().admin_database_url.reveal())
        assert "canary" not in repr(app.config["SETTINGS"])
        result = flask_db(app, *arguments)
        dispose(app)  # the lock of a migration ends with its connection
        assert "canary" not in result.output
        assert "Traceback" not in result.output
        return result

    def made(self) -> set[str]:
        """The roles and databases of this service that exist."""
        names = {url.username for url in self.roles.named.values()} | {self.app.database}
        return names & {name for (name,) in self.as_admin(roles.NAMES)}

    def as_admin(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Run a statement; ``{app}``, ``{mail}``, ``{other}`` and more are quoted."""
        names: dict[str, str | None] = {"mail": "mail"}
        names |= {name: url.username for name, url in self.roles.named.items()}
        names |= {"database": self.app.database, "other": self.other}
        quoted = roles.quoted(self.admin, self.app, names)
        return roles.execute(self.admin, statement.format(**quoted), values)


@contextmanager
def new_service(make_app: Callable[..., Flask]) -> Iterator[NewService]:
    """A new service; the end of the block removes its roles and its database."""
    try:
        admin = roles.connect(administrator())
    except roles.Refused as error:
        needs.lacking(f"needs an administrator of {dialect.NAME}: {error}")
    with closing(admin):
        service = NewService(admin, make_app)
        yield service
        for statement in roles.DROP:
            service.as_admin(statement)
