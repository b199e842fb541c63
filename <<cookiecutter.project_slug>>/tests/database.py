"""The databases of the tests: each is made for a purpose and removed when it is over.

They are made on the server of development, beside its database and by the same two roles, or as
files with SQLite. ``make db`` gives the roles what they need.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from dotenv import dotenv_values
from flask import Flask
from sqlalchemy import event, make_url

from app import create_app
from app.database import db, dialect, provisioning
from app.settings import Settings
from tests.live import PROJECT


def development() -> Settings:
    """The settings of development: from the environment, else from ``.env``."""
    values = {**dotenv_values(PROJECT / ".env"), **os.environ, "APP_ENV": "development"}
    return Settings.from_environment({name: value for name, value in values.items() if value})


@contextmanager
def scratch(directory: Path) -> Iterator[dict[str, str]]:
    """An empty database, not migrated; the settings that name it."""
    settings = development()
    app, migrator = make_url(settings.database_url), make_url(settings.migration_database_url)
    name = secrets.token_hex(4)
    database = f"{app.database}_test_{name}" if app.host else f"{directory}/{name}.sqlite3"
    app, migrator = app.set(database=database), migrator.set(database=database)
    try:
        provisioning.create_scratch(app, migrator)
    except provisioning.Failed as error:
        pytest.exit(f"{dialect.NAME} is not there: {error}\n{dialect.HELP}", returncode=1)
    try:
        yield {
            "DATABASE_URL": app.render_as_string(hide_password=False),
            "MIGRATION_DATABASE_URL": migrator.render_as_string(hide_password=False),
        }
    finally:
        provisioning.drop_scratch(app, migrator)


def migrate(environment: dict[str, str]) -> None:
    """``flask db upgrade`` in the environment."""
    app = create_app(Settings.from_environment(environment))
    result = app.test_cli_runner().invoke(args=["db", "upgrade"])
    assert result.exit_code == 0, result.output
    dispose(app)


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
    with app.app_context():
        engine = db.engine
    event.listen(engine, "connect", run)
    try:
        yield
    finally:
        event.remove(engine, "connect", run)
        dispose(app)
