"""The operator's commands, such as ``flask users disable``, and ``flask security check``."""

from __future__ import annotations

import sys

import click
from flask import Flask, current_app
from flask.cli import AppGroup

from app import security
# <% if cookiecutter.auth == "oidc" %>
from app.commands import accounts, rerendering
# <% else %>
from app.commands import accounts, factor_resets, mailboxes, rerendering
# <% endif %>
# <% if cookiecutter.deployment == "systemd" %>
from app.commands.key_rotation import rotate_keys
# <% endif %>
from app.commands.keys import keys_cli
from app.commands.mail import mail_cli
from app.commands.users import sessions_cli, users_cli
from app.database.commands import db_cli

security_cli = AppGroup("security", help="Check the configuration.")
# Modules that add commands to users_cli when they are imported.
# <% if cookiecutter.auth == "oidc" %>
ADDING = (accounts,)
# <% else %>
ADDING = (accounts, factor_resets, mailboxes)
# <% endif %>


def init_app(app: Flask) -> None:
    """Register the commands."""
    for group in (db_cli, users_cli, sessions_cli, keys_cli, mail_cli, security_cli):
        app.cli.add_command(group)
    rerendering.init_app(app)
    # <% if cookiecutter.deployment == "systemd" %>
    keys_cli.add_command(rotate_keys)
    # <% endif %>


@security_cli.command("check")
def check_security() -> None:
    """Print what is wrong with the configuration; the exit status is 1 when something is."""
    problems = list(security.check(current_app))
    for problem in problems:
        click.echo(problem)
    if problems:
        sys.exit(1)
    click.echo("No problem found.")
