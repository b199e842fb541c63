"""The ``flask db`` commands for the database itself, its backups and restores."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import click
# <% if cookiecutter.database == "sqlite" %>
from sqlalchemy.exc import SQLAlchemyError

from app.database import backups, db, is_migrated, migration_engine, now
from app.database.cli_errors import readable_errors
# <% else %>
from flask import current_app
from sqlalchemy import URL, make_url
from sqlalchemy.exc import SQLAlchemyError

from app.database import (
    backups,
    dialect,
    dumps,
    is_migrated,
    migration_engine,
    now,
    provisioning,
    roles,
)
from app.database.cli_errors import connection_error, is_one_role, readable_errors
# <% endif %>
from app.database.schema_commands import db_cli
from app.security.logs import security_event

__all__ = ["db_cli"]
log = logging.getLogger(__name__)


# <% if cookiecutter.database == "sqlite" %>
@db_cli.command("create")
def create() -> None:
    """Create the database file, which only its owner may read."""
    path = Path(str(db.engine.url.database))
    if path.exists():
        click.echo("The database already exists.")
        return
    with readable_errors():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
    click.echo(f"Created {path}.")
# <% else %>
@db_cli.command("create")
def create() -> None:
    """Create the database and its roles, as the administrator ADMIN_DATABASE_URL."""
    own = roles.from_settings()
    with readable_errors():
        failure = connection_error()
        if failure and is_one_role():
            raise failure
        if failure is None:
            click.echo("The database already exists.")
        incomplete = failure is None and own.mail and _is_refused(own.mail)
        if incomplete:  # an update of a service from before it had this role
            click.echo("Creating the role of MAIL_DATABASE_URL as ADMIN_DATABASE_URL.")
        if failure or incomplete:
            development = not current_app.config["SETTINGS"].production
            provisioning.create(_administrator(), own, development=development)
        # <% if cookiecutter.database == "postgresql" %>
        provisioning.grant(own)
        # <% endif %>
    if failure:
        click.echo(f"Created {own.app.database}.")
# <% endif %>


@db_cli.command("backup")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--keep", type=click.IntRange(1), help="Then delete all but the newest backups.")
def backup(file: Path | None, keep: int | None) -> None:
    """Write the database to FILE, or to a new file in the folder "backups"."""
    with readable_errors(), stopped_by_sigterm():
        began = now()
        written = backups.back_up(file or backups.new_file())
        click.echo(f"Wrote {written}. It holds personal data: keep it safe.")
        record(began)
        if keep:
            click.echo(f"Deleted older backups: {len(backups.prune(keep))}.")


@db_cli.command("restore")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def restore(file: Path) -> None:
    """Back up the database, replace it with the backup FILE, and end every session."""
    with readable_errors(), stopped_by_sigterm():
        began = now()
        saved = backups.back_up(backups.new_file("before-restore-"))
        click.echo(f"Backed up the current database to {saved}.")
        backups.restore(file, saved)
        security_event("sys_restore", level=logging.INFO)
        click.echo(f"Restored {file}. Everybody is signed out.")
        if not is_migrated(migration_engine()):  # the one that has restored it
            click.echo("Its schema has another version: run `flask db upgrade`.")
        record(began)  # the restored data holds the record of an older one


def record(began: datetime) -> None:
    """Record a backup that is complete. It stays, and counts as done, when that fails.

    Otherwise a container would write one after the other. The age of the newest backup that the
    database knows goes on growing, so that the alert fires (docs/monitoring.md).
    """
    try:
        backups.record(began)
    except SQLAlchemyError as error:
        log.warning("backup not recorded", exc_info=error)
        click.echo(
            "Warning: the backup is complete, but the database has not recorded it: for the"
            " metrics it is missing. Before an update this is normal; the log has the reason.",
            err=True,
        )


@contextmanager
def stopped_by_sigterm() -> Iterator[None]:
    """End on SIGTERM, and undo what is half done.

    Without a handler, the first process of a container ignores the signal until it is killed.
    """

    def stop(number: int, frame: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not stop the undoing
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
# <% if cookiecutter.database != "sqlite" %>


def _is_refused(url: URL) -> bool:
    """Whether the server, which lets the app in, lacks this role or has another password of it."""
    try:
        with provisioning.connected(url):
            return False
    except dumps.Failed:
        return True


def _administrator() -> URL:
    """The role of ``flask db create``.

    :raises ValueError: when production would send the password to a server that is not verified.
    """
    settings = current_app.config["SETTINGS"]
    url = make_url(settings.admin_database_url.reveal() or dialect.admin_url())
    problems = list(dialect.check(url, "ADMIN_DATABASE_URL", admin=True))
    if settings.production and problems:
        raise ValueError(problems[0])
    return url
# <% endif %>
