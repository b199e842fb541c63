"""The database: engines, a session per request, and the schema's version.

What differs between SQLite, PostgreSQL and MySQL is in :mod:`app.database.dialect`.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from functools import cache
from inspect import iscoroutinefunction
from pathlib import Path

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask, current_app, g
from flask_sqlalchemy_lite import SQLAlchemy
from sqlalchemy import DateTime, Dialect, ExceptionContext, MetaData, String, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import TypeDecorator

from app.database import dialect

MIGRATIONS = Path(__file__).parents[2] / "migrations"
# At most 10 connections per process; a request that gets none within 5 seconds is answered 503.
POOL = {"pool_size": 5, "max_overflow": 5, "pool_timeout": 5}
PUBLIC_ID_LENGTH = 22  # characters of token_urlsafe(16): 128 random bits


class Database(SQLAlchemy):
    """Remembers whether a request has a session: most have nothing to close."""

    def get_session(self, name: str = "default") -> Session:
        g.has_database_session = True
        return super().get_session(name)


# Nothing is read again after a commit: when that failed, what is stored would be answered with 503,
# and whoever tries again stores it twice.
db = Database(session_options={"expire_on_commit": False})


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
    """An identifier for URLs that tells nothing and cannot be guessed (128 bits)."""
    return secrets.token_urlsafe(16)


def now() -> datetime:
    """The current time in UTC, in whole seconds as every database stores it."""
    return datetime.now(UTC).replace(microsecond=0)


def init_app(app: Flask) -> None:
    """Create the engines (``SQLALCHEMY_ENGINES``): one for requests, one for migrations."""
    settings = app.config["SETTINGS"]
    engines = {
        "default": dialect.engine_options(settings.database_url),
        "migration": dialect.engine_options(settings.migration_database_url, patient=True),
    }
    for options in engines.values():
        # Values never reach a log line or an exception's text; statements are not echoed.
        options.update(POOL, hide_parameters=True, echo=False)
    app.config["SQLALCHEMY_ENGINES"] = engines
    db.init_app(app)
    app.teardown_request(close_session)
    # Flask-SQLAlchemy-Lite also closes sessions of asyncio, of which there are none: a thread and
    # an event loop for each request, which cost more than all the rest of it.
    app.teardown_appcontext_funcs = [
        close for close in app.teardown_appcontext_funcs if not iscoroutinefunction(close)
    ]
    with app.app_context():
        for engine in db.engines.values():
            dialect.set_up(engine)
            event.listen(engine, "handle_error", hide_values)


def close_session(error: BaseException | None) -> None:
    """Give the connection of this request back. If it is lost, the answer is sent all the same."""
    try:
        if g.get("has_database_session"):
            db.session.close()
    except DBAPIError as lost:
        current_app.logger.warning("database connection lost", exc_info=lost)


def hide_values(context: ExceptionContext) -> None:
    """Take the values out of the driver's message: it ends up in the log."""
    original, error = context.original_exception, context.sqlalchemy_exception
    dialect.hide_values(original)
    if error is not None:
        error.args = (f"({type(original).__module__}.{type(original).__name__}) {original}",)


@cache
def _head() -> str | None:
    return ScriptDirectory(str(MIGRATIONS)).get_current_head()


def is_migrated(engine: str = "default") -> bool:
    """Whether the schema has the version this code was written for.

    :param engine: whom to ask as, one of ``SQLALCHEMY_ENGINES``.
    :raises SQLAlchemyError: when the database does not answer.
    """
    with db.get_engine(engine).connect() as connection:
        return MigrationContext.configure(connection).get_current_revision() == _head()
