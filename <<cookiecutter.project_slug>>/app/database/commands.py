"""The ``flask db`` commands: the database, its schema, its backups."""

from __future__ import annotations

from pathlib import Path

import click
from alembic import command
from alembic.config import Config
from flask import current_app
from flask.cli import AppGroup
from sqlalchemy import URL, make_url

from app.database import MIGRATIONS, backups, db, dialect, is_migrated, provisioning
from app.database.cli_errors import failure_of_database, is_one_role, reporting
from app.security.logs import security_event

db_cli = AppGroup("db", help="Make the database, migrate its schema, back it up, restore it.")


def alembic_config() -> Config:
    """Alembic's configuration; ``migrations/env.py`` takes the engine from the running app."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    return config


@db_cli.command("create")
def create() -> None:
    """Make the database, and on a server its two roles, as the administrator ADMIN_DATABASE_URL."""
    app_url, migrator = db.engine.url, db.get_engine("migration").url
    with reporting():
        failure = failure_of_database()
        if failure is None:
            click.echo("The database is there.")
        else:
            if is_one_role():
                raise failure
            development = not current_app.config["SETTINGS"].production
            provisioning.create(_administrator(), app_url, migrator, development=development)
        provisioning.grant(app_url, migrator)
    if failure:
        click.echo(f"Made the database {app_url.database}.")


@db_cli.command("upgrade")
@click.argument("revision", default="head")
def upgrade(revision: str) -> None:
    """Apply the migrations up to REVISION."""
    with reporting():
        command.upgrade(alembic_config(), revision)
    click.echo(f"Database schema is at {revision}.")


@db_cli.command("downgrade")
@click.argument("revision")
def downgrade(revision: str) -> None:
    """Take the migrations back down to REVISION."""
    with reporting():
        command.downgrade(alembic_config(), revision)


@db_cli.command("check")
def check_models() -> None:
    """Fail when the models have changes that no migration makes."""
    with reporting():
        command.check(alembic_config())


@db_cli.command("revision")
@click.option("-m", "--message", required=True, help="What the migration does.")
def revision(message: str) -> None:
    """Write a migration from the difference between models and database."""
    with reporting():
        command.revision(alembic_config(), message, autogenerate=True)


@db_cli.command("backup")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--keep", type=click.IntRange(1), help="Then delete all but the newest there.")
def backup(file: Path | None, keep: int | None) -> None:
    """Write the database into FILE, or into a new one in the folder "backups"."""
    with reporting():
        written = backups.back_up(file or backups.new_file())
        click.echo(f"Wrote {written}. It holds personal data: keep it safe.")
        if keep:
            click.echo(f"Deleted older ones: {len(backups.prune(keep))}.")


@db_cli.command("restore")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def restore(file: Path) -> None:
    """Put the backup FILE in the place of all that is there, and end every session.

    What was there is backed up first. A backup may hold sessions that have been ended since.
    """
    with reporting():
        saved = backups.back_up(backups.new_file("before-restore-"))
        click.echo(f"Wrote what was there to {saved}.")
        backups.restore(file, saved)
        security_event("sys_restore", level=20)
        click.echo(f"Restored {file}. Everybody is signed out.")
        if not is_migrated("migration"):
            click.echo("It is of another version of the schema: run `flask db upgrade`.")


def _administrator() -> URL:
    """Whom ``flask db create`` connects as.

    :raises ValueError: when production would send the password to a server that is not verified.
    """
    settings = current_app.config["SETTINGS"]
    url = make_url(settings.admin_database_url or dialect.admin_url())
    problems = list(dialect.check(url, "ADMIN_DATABASE_URL", admin=True))
    if settings.production and problems:
        raise ValueError(problems[0])
    return url
