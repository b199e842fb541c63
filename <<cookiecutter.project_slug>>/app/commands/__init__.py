"""The operator's commands: ``flask db``, ``users``, ``sessions``, ``keys`` and ``security``."""

from __future__ import annotations

from flask import Flask

from app.commands.keys import keys_cli
from app.commands.security import security_cli
from app.commands.sessions import sessions_cli
from app.commands.users import users_cli
from app.database.commands import db_cli


def init_app(app: Flask) -> None:
    """Register the commands."""
    for group in (db_cli, users_cli, sessions_cli, keys_cli, security_cli):
        app.cli.add_command(group)
