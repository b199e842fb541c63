"""The ``flask db`` commands for the schema: Alembic's, with readable errors."""

from __future__ import annotations

from importlib.util import find_spec

import click
from alembic import command
from alembic.config import Config
from flask.cli import AppGroup

from app.database import MIGRATIONS, heads
from app.database.cli_errors import readable_errors

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
def show_heads() -> None:
    """List the last migrations. If there are several, run merge."""
    command.heads(alembic_config())


@db_cli.command("current")
def current() -> None:
    """Show the migration that the database is at."""
    with readable_errors():
        command.current(alembic_config())


@db_cli.command("merge")
@click.option("-m", "--message", default="merge the heads of the migrations", show_default=True)
def merge(message: str) -> None:
    """Write a migration that follows all heads, so that there is one again."""
    with readable_errors():
        ends = sorted(heads())
        if len(ends) < 2:
            raise ValueError(f"there is one head, {ends[0]}; nothing to merge")
        command.merge(alembic_config(), ends, message)


def one_head() -> None:
    """Refuse to migrate if no single migration is the last one.

    :raises ValueError: with the names of the last ones and the command that joins them.
    """
    ends = sorted(heads())
    if len(ends) > 1:
        raise ValueError(
            f"there are {len(ends)} heads of the migrations, for example yours and the template's: "
            f"{' and '.join(ends)}. Run make merge-migrations, then make migrate"
        )
