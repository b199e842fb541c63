"""The databases of the tests: each is made for a purpose and removed when it is over.

# <% if cookiecutter.database == "sqlite" %>
Each is a file of its own.
# <% else %>
They are made on the server of development, by the roles of its database. ``make db`` gives the
roles what they need.
# <% endif %>
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# <% if cookiecutter.database != "sqlite" %>
import pytest
# <% endif %>
from dotenv import dotenv_values
from flask import Flask
# <% if cookiecutter.database == "sqlite" %>

from app import create_app
from app.database import db
from app.settings import Settings
from tests import sample
from tests.live import PROJECT
from tests.statements import listening
# <% else %>
from sqlalchemy import make_url

from app import create_app
from app.database import db, dialect, dumps
from app.database.roles import Roles
from app.settings import Settings
from tests import sample
from tests import scratch as databases
from tests.live import PROJECT
from tests.statements import listening
# <% endif %>

# Settings that the process that sends mail does not have, for `make_app`.
# <% if cookiecutter.database == "sqlite" %>
OTHER_ROLES: dict[str, None] = {}  # a file has no roles
# <% else %>
OTHER_ROLES = dict.fromkeys(["DATABASE_URL", "MIGRATION_DATABASE_URL"])
# <% endif %>


def development() -> Settings:
    """The settings of development: from the environment, else from ``.env``."""
    values = {**dotenv_values(PROJECT / ".env"), **os.environ, "APP_ENV": "development"}
    return Settings.from_environment({name: value for name, value in values.items() if value})


@contextmanager
def scratch(directory: Path) -> Iterator[dict[str, str]]:
    """An empty database, not migrated; the settings that name it."""
    # <% if cookiecutter.database == "sqlite" %>
    path = directory / f"{secrets.token_hex(4)}.sqlite3"
    path.touch(mode=0o600)
    try:
        yield {"DATABASE_URL": f"sqlite:///{path}"}
    finally:
        for suffix in ("", "-wal", "-shm"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)
    # <% else %>
    settings = development()
    urls = settings.database_url, settings.migration_database_url, settings.mail_database_url
    app, migrator, mail = (make_url(url.reveal()) for url in urls)
    database = f"{app.database}_test_{secrets.token_hex(4)}"
    own = Roles(*(url.set(database=database) for url in (app, migrator, mail)))
    try:
        databases.create(own)
    except dumps.Failed as error:
        pytest.exit(f"{dialect.NAME} is not there: {error}\n{dialect.HELP}", returncode=1)
    try:
        yield own_settings(own)
    finally:
        databases.drop(own)
    # <% endif %>


# <% if cookiecutter.database != "sqlite" %>
def own_settings(own: Roles) -> dict[str, str]:
    """The settings that name these roles."""
    names = {"app": "DATABASE_URL", "migrator": "MIGRATION_DATABASE_URL"}
    names |= {"mail": "MAIL_DATABASE_URL"}
    return {
        names[role]: url.render_as_string(hide_password=False) for role, url in own.named.items()
    }


# <% endif %>
def of_mail_process(environment: dict[str, str]) -> dict[str, str]:
    """The environment of the process that sends mail, as the deployments set it."""
    return {name: value for name, value in environment.items() if name not in OTHER_ROLES}


def migrate(environment: dict[str, str]) -> None:
    """``flask db upgrade`` in the environment, and the table of :mod:`tests.sample`."""
    app = create_app(Settings.from_environment(environment))
    result = flask_db(app, "upgrade")
    assert result.exit_code == 0, result.output
    sample.create_table(app)
    dispose(app)


def flask_db(app: Flask, *arguments: object) -> Any:
    """The result of ``flask db`` with these arguments, in this process."""
    return app.test_cli_runner().invoke(args=["db", *map(str, arguments)])


def dispose(app: Flask) -> None:
    """Close the app's database connections."""
    with app.app_context():
        for engine in db.engines.values():
            engine.dispose()


@contextmanager
def each_connection_runs(app: Flask, statement: str) -> Iterator[None]:
    """Each new connection of the app to its database begins with this statement."""

    def run(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute(statement)
        cursor.close()
        connection.commit()

    dispose(app)
    try:
        with listening(app, connect=run):
            yield
    finally:
        dispose(app)
