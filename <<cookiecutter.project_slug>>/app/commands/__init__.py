"""The operator's commands, such as ``flask users disable``."""

from __future__ import annotations

from flask import Flask

# <% if cookiecutter.deployment == "systemd" %>
from app.commands.keys import keys_cli
# <% endif %>
from app.commands.security import security_cli
from app.commands.sessions import sessions_cli
from app.commands.users import users_cli
from app.database.commands import db_cli


def init_app(app: Flask) -> None:
    """Register the commands."""
    for group in (db_cli, users_cli, sessions_cli, security_cli):
        app.cli.add_command(group)
    # <% if cookiecutter.deployment == "systemd" %>
    app.cli.add_command(keys_cli)
    # <% endif %>
