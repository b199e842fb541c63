"""What the ``flask db`` commands say when something goes wrong: a sentence, no traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from subprocess import CalledProcessError  # nosec B404 - the type of an error

import click
from alembic.util import CommandError
from flask import current_app
from sqlalchemy.exc import SQLAlchemyError

from app.database import db, dialect, dumps, provisioning

FAILED = (SQLAlchemyError, CommandError, ValueError, *provisioning.Failed, *dumps.Failed)


@contextmanager
def reporting() -> Iterator[None]:
    """Say in a sentence what went wrong; at a prompt, a traceback hides it."""
    try:
        yield
    except FAILED as error:
        lines = [f"{dialect.NAME}: {_reason(error)}"]
        if is_one_role():
            lines.append("MIGRATION_DATABASE_URL names no other role, so this was the app's.")
        if failure_of_database() and not current_app.config["SETTINGS"].production:
            lines.append(dialect.HELP)
        raise click.ClickException("\n".join(lines)) from error


def _reason(error: Exception) -> str:
    """What the database, its driver or its tool says, without what Python adds."""
    if isinstance(error, CalledProcessError):
        output = error.stderr
        return str(output.decode(errors="replace") if isinstance(output, bytes) else output).strip()
    reason = getattr(error, "orig", None) or error
    if isinstance(reason, OSError) or not reason.args:
        return str(reason).strip()
    return str(reason.args[-1]).strip()  # PyMySQL has a number before the text


def failure_of_database() -> SQLAlchemyError | None:
    """Why the database does not answer the app or the migrator; None when it does."""
    try:
        for engine in db.engines.values():
            engine.connect().close()
    except SQLAlchemyError as error:
        return error
    return None


def is_one_role() -> bool:
    """Whether nobody but the app's role is named."""
    role = db.engine.url.username
    return role is not None and role == db.get_engine("migration").url.username
