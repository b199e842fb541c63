"""Parameterized queries: input that is read as SQL, and values that leak from statements into logs.

SQLAlchemy builds every statement (``select()``, the ORM) and sends values separately. Write
``LIKE`` as ``column.contains(text, autoescape=True)``; take an order from a fixed mapping, never
from the request. ``tests/security/test_queries.py`` refuses SQL that is built from strings and
checks the statements that reach the database. OWASP SQL Injection Prevention cheat sheet; ASVS
1.2.4, 2.3.3, 13.2.6.
"""

from __future__ import annotations

from collections.abc import Iterator

from flask import Flask
from sqlalchemy import Engine, make_url
from sqlalchemy.pool import QueuePool

from app.database import db, dialect

MAX_POOL_TIMEOUT = 10  # seconds; SQLAlchemy's default of 30 occupies a thread for so long


def init_app(app: Flask) -> None:
    """Nothing to wire: :mod:`app.database` makes the engine, once and with its options."""


def check(app: Flask) -> Iterator[str]:
    """Yield what would put values into logs, or let requests wait long for the database."""
    with app.app_context():
        engines = list(db.engines.values())
    for engine in engines:
        yield from _engine_problems(engine)
    # The settings, because Flask-SQLAlchemy-Lite makes the URL of the engine absolute.
    settings = app.config["SETTINGS"]
    yield from dialect.check(make_url(settings.database_url.reveal()), "DATABASE_URL")
    # <% if cookiecutter.database != "sqlite" %>
    others = {"MIGRATION_DATABASE_URL": settings.migration_database_url}
    others |= {"MAIL_DATABASE_URL": settings.mail_database_url}
    for name, url in others.items():
        if url and url != settings.database_url:
            yield from dialect.check(make_url(url.reveal()), name)
    # <% endif %>


def _engine_problems(engine: Engine) -> Iterator[str]:
    if not engine.hide_parameters:
        yield "the engine shows values in exceptions and logs; set hide_parameters=True"
    if engine.echo:
        yield "the engine logs every statement; set echo=False"
    pool = engine.pool
    if not isinstance(pool, QueuePool) or not 0 < pool.timeout() <= MAX_POOL_TIMEOUT:
        yield f"the pool has no short time limit; set pool_timeout to {MAX_POOL_TIMEOUT} or less"
