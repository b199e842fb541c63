"""The ``flask db`` commands: the database, its schema, its backups."""

from __future__ import annotations

import logging
from importlib.util import find_spec
from pathlib import Path

import click
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
# <% if cookiecutter.database != "sqlite" %>
from flask import current_app
# <% endif %>
from flask.cli import AppGroup
# <% if cookiecutter.database == "sqlite" %>

from app.database import MIGRATIONS, backups, db, is_migrated
from app.database.cli_errors import readable_errors, stopped_by_sigterm
# <% else %>
from sqlalchemy import URL, make_url

from app.database import (
    MIGRATIONS,
    backups,
    db,
    dialect,
    is_migrated,
    migration_engine,
    provisioning,
)
from app.database.cli_errors import (
    connection_error,
    is_one_role,
    readable_errors,
    stopped_by_sigterm,
)
# <% endif %>
from app.security.logs import security_event

db_cli = AppGroup("db", help="Create the database, migrate its schema, back it up, restore it.")


def alembic_config() -> Config:
    """Alembic's configuration; ``migrations/env.py`` takes the engine from the running app."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    if find_spec("ruff"):  # in development: a migration that is written is formatted
        hooks = {"hooks": "fix, format"}
        for name, options in (("fix", "check --quiet --fix"), ("format", "format --quiet")):
            hooks |= {f"{name}.type": "module", f"{name}.module": "ruff"}
            hooks[f"{name}.options"] = f"{options} REVISION_SCRIPT_FILENAME"
        for name, value in hooks.items():
            config.set_section_option("post_write_hooks", name, value)
    return config


# <% if cookiecutter.database == "sqlite" %>
@db_cli.command("create")
def create() -> None:
    """Create the database file, which only its owner may read."""
    path = Path(str(db.engine.url.database))
    if path.exists():
        click.echo("The database is there.")
        return
    with readable_errors():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
    click.echo(f"Created {path}.")
# <% else %>
@db_cli.command("create")
def create() -> None:
    """Create the database and its two roles, as the administrator ADMIN_DATABASE_URL."""
    app_url, migrator = db.engine.url, migration_engine().url
    with readable_errors():
        failure = connection_error()
        if failure is None:
            click.echo("The database is there.")
        elif is_one_role():
            raise failure
        else:
            development = not current_app.config["SETTINGS"].production
            provisioning.create(_administrator(), app_url, migrator, development=development)
        # <% if cookiecutter.database == "postgresql" %>
        provisioning.grant(app_url, migrator)
        # <% endif %>
    if failure:
        click.echo(f"Created {app_url.database}.")
# <% endif %>


@db_cli.command("upgrade")
@click.argument("revision", default="head")
def upgrade(revision: str) -> None:
    """Apply the migrations up to REVISION."""
    with readable_errors():
        if revision == "head":
            one_head()
        command.upgrade(alembic_config(), revision)
    click.echo(f"Database schema is at {revision}.")


@db_cli.command("downgrade")
@click.argument("revision")
def downgrade(revision: str) -> None:
    """Revert the migrations down to REVISION."""
    with readable_errors():
        command.downgrade(alembic_config(), revision)


@db_cli.command("check")
def check_models() -> None:
    """Fail when the models differ from the migrated database."""
    with readable_errors():
        command.check(alembic_config())


@db_cli.command("revision")
@click.option("-m", "--message", required=True, help="What the migration does.")
def revision(message: str) -> None:
    """Write a migration from the difference between models and database."""
    with readable_errors():
        one_head()
        command.revision(alembic_config(), message, autogenerate=True)


@db_cli.command("history")
def history() -> None:
    """List all migrations, the newest first."""
    command.history(alembic_config(), verbose=False)


@db_cli.command("heads")
def heads() -> None:
    """List the migrations that no other one follows: one, or a merge is missing."""
    command.heads(alembic_config())


@db_cli.command("current")
def current() -> None:
    """Show the migration that the database is at."""
    with readable_errors():
        command.current(alembic_config())


@db_cli.command("merge")
@click.option("-m", "--message", default="merge two lines of migrations", show_default=True)
def merge(message: str) -> None:
    """Write a migration that follows all heads, so that there is one again."""
    with readable_errors():
        ends = ScriptDirectory.from_config(alembic_config()).get_heads()
        if len(ends) < 2:
            raise ValueError(f"there is one head, {ends[0]}; nothing to merge")
        command.merge(alembic_config(), ends, message)


def one_head() -> None:
    """Refuse to migrate when two migrations are the last one.

    :raises ValueError: with the names of both and the command that joins them.
    """
    ends = ScriptDirectory.from_config(alembic_config()).get_heads()
    if len(ends) > 1:
        raise ValueError(
            f"the migrations {' and '.join(sorted(ends))} both stand at the end: two people wrote "
            "one, or the template brought one. Type: make merge-migrations, then make migrate"
        )


@db_cli.command("backup")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--keep", type=click.IntRange(1), help="Then delete all but the newest backups.")
def backup(file: Path | None, keep: int | None) -> None:
    """Write the database to FILE, or to a new file in the folder "backups"."""
    with readable_errors(), stopped_by_sigterm():
        written = backups.back_up(file or backups.new_file())
        click.echo(f"Wrote {written}. It holds personal data: keep it safe.")
        if keep:
            click.echo(f"Deleted older backups: {len(backups.prune(keep))}.")


@db_cli.command("restore")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def restore(file: Path) -> None:
    """Back up the database, replace it with the backup FILE, and end every session."""
    with readable_errors(), stopped_by_sigterm():
        saved = backups.back_up(backups.new_file("before-restore-"))
        click.echo(f"Backed up the present database to {saved}.")
        backups.restore(file, saved)
        security_event("sys_restore", level=logging.INFO)
        click.echo(f"Restored {file}. Everybody is signed out.")
        if not is_migrated():
            click.echo("Its schema has another version: run `flask db upgrade`.")
# <% if cookiecutter.database != "sqlite" %>


def _administrator() -> URL:
    """The role of ``flask db create``.

    :raises ValueError: when production would send the password to a server that is not verified.
    """
    settings = current_app.config["SETTINGS"]
    url = make_url(settings.admin_database_url or dialect.admin_url())
    problems = list(dialect.check(url, "ADMIN_DATABASE_URL", admin=True))
    if settings.production and problems:
        raise ValueError(problems[0])
    return url
# <% endif %>
