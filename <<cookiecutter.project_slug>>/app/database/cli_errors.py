"""Error messages of the ``flask db`` commands: a sentence instead of a traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
# <% if cookiecutter.database != "sqlite" %>
from subprocess import CalledProcessError  # the type of an error # nosec B404
# <% endif %>

import click
from alembic.util import CommandError
from flask import current_app
from sqlalchemy.exc import SQLAlchemyError

# <% if cookiecutter.database == "sqlite" %>
from app.database import db, dialect, dumps
# <% else %>
from app.database import db, dialect, dumps, migration_engine
# <% endif %>

FAILED = (SQLAlchemyError, CommandError, ValueError, *dumps.Failed)


@contextmanager
def readable_errors() -> Iterator[None]:
    """Turn an error into a sentence; at a prompt, a traceback hides it."""
    try:
        yield
    except FAILED as error:
        lines = [f"{dialect.NAME}: {_reason(error)}"]
        # <% if cookiecutter.database != "sqlite" %>
        if is_one_role():
            lines.append("MIGRATION_DATABASE_URL names no other role, so this was the app's.")
        # <% endif %>
        if connection_error() and not current_app.config["SETTINGS"].production:
            lines.append(dialect.HELP)
        raise click.ClickException("\n".join(lines)) from error


def _reason(error: Exception) -> str:
    """The words of the database, without what Python adds."""
    # <% if cookiecutter.database != "sqlite" %>
    if isinstance(error, CalledProcessError):
        output = error.stderr
        return str(output.decode(errors="replace") if isinstance(output, bytes) else output).strip()
    # <% endif %>
    reason = getattr(error, "orig", None) or error
    if isinstance(reason, OSError) or not reason.args:
        return str(reason).strip()
    return str(reason.args[-1]).strip()  # the text alone: no error number, no link to documents


def connection_error() -> SQLAlchemyError | None:
    """Why the database refuses a connection; None when it accepts one."""
    try:
        for engine in db.engines.values():
            engine.connect().close()
    except SQLAlchemyError as error:
        return error
    return None
# <% if cookiecutter.database != "sqlite" %>


def is_one_role() -> bool:
    """Whether the app and ``flask db`` have the same role."""
    return db.engine.url.username == migration_engine().url.username
# <% endif %>
