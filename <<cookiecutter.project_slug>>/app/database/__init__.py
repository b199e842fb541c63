"""The database: engine, column types, and the version of the schema.

What differs from database to database is in :mod:`app.database.dialect`.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask
from flask_sqlalchemy_lite import SQLAlchemy
from sqlalchemy import DateTime, Dialect, Engine, MetaData, String, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import TypeDecorator

from app.database import dialect

MIGRATIONS = Path(__file__).parents[2] / "migrations"
# At most 10 connections per process; a request that gets none within 5 seconds is answered 503.
POOL = {"pool_size": 5, "max_overflow": 5, "pool_timeout": 5}
log = logging.getLogger(__name__)
PUBLIC_ID_LENGTH = 22  # characters of token_urlsafe(16): 128 random bits


class RequestSession(Session):
    """The session of a request. An error on its close does not replace a ready answer."""

    def close(self) -> None:
        """Return the connection. If the connection is lost by then, only the log shows it."""
        try:
            super().close()
        except DBAPIError as lost:
            log.warning("database connection lost", exc_info=lost)


# No query follows a commit: if it failed, the client would get 503 for a change that
# is stored, and a client that tries again would store it twice.
db = SQLAlchemy(session_options={"expire_on_commit": False, "class_": RequestSession})


class Base(DeclarativeBase):
    """Names every constraint, so that a migration can find and drop it on every database."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class UTCDateTime(TypeDecorator[datetime]):
    """An aware datetime, stored in UTC: not every database keeps the time zone."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.astimezone(UTC).replace(tzinfo=None) if value else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.replace(tzinfo=UTC) if value else None


PublicId = String(PUBLIC_ID_LENGTH)


def new_public_id() -> str:
    """An identifier for URLs: it reveals nothing and cannot be guessed (128 bits)."""
    return secrets.token_urlsafe(16)


def now() -> datetime:
    """The current time in UTC, in whole seconds as every database stores it."""
    return datetime.now(UTC).replace(microsecond=0)


def init_app(app: Flask) -> None:
    # <% if cookiecutter.database == "sqlite" %>
    """Create the engine (``SQLALCHEMY_ENGINES``)."""
    engines = {"default": dialect.engine_options(app.config["SETTINGS"].database_url.reveal())}
    # <% else %>
    """Create the engines (``SQLALCHEMY_ENGINES``): one for requests, one for ``flask db``."""
    settings = app.config["SETTINGS"]
    engines = {
        "default": dialect.engine_options(settings.database_url.reveal()),
        "migration": dialect.engine_options(
            settings.migration_database_url.reveal(), timeouts=False
        ),
    }
    # <% endif %>
    for options in engines.values():
        # Values never reach a log line or an exception's text; statements are not echoed.
        options.update(POOL, hide_parameters=True, echo=False)
    app.config["SQLALCHEMY_ENGINES"] = engines
    db.init_app(app)
    with app.app_context():
        for engine in db.engines.values():
            dialect.set_up(engine)


def watch(app: Flask, look: Callable[..., None]) -> None:
    """Call ``look`` before each statement of each engine (``before_cursor_execute``)."""
    with app.app_context():
        for engine in db.engines.values():
            event.listen(engine, "before_cursor_execute", look)


def is_watched(app: Flask, look: Callable[..., None]) -> bool:
    """Whether each engine calls ``look``, see :func:`watch`."""
    with app.app_context():
        engines = db.engines.values()
        return all(event.contains(it, "before_cursor_execute", look) for it in engines)


def migration_engine() -> Engine:
    """The engine of ``flask db``, which may change tables and the rows of all users."""
    # <% if cookiecutter.database == "sqlite" %>
    engine = db.engine
    # <% else %>
    engine = db.get_engine("migration")
    # <% endif %>
    return engine.execution_options(unscoped="migrations change the rows of all users")


@cache
def heads() -> set[str]:
    """The migrations that no other one follows: the schema that this code was written for."""
    return set(ScriptDirectory(str(MIGRATIONS)).get_heads())


def is_migrated(engine: Engine | None = None) -> bool:
    """Whether the schema has the version this code was written for.

    :param engine: which one asks; by default that of the requests.
    :raises SQLAlchemyError: when the database does not answer.
    """
    with (engine or db.engine).connect() as connection:
        return set(MigrationContext.configure(connection).get_current_heads()) == heads()
