"""``flask security``: look at the running configuration."""

from __future__ import annotations

import sys

import click
from flask import current_app
from flask.cli import AppGroup

from app import security

security_cli = AppGroup("security", help="Look at the running configuration.")


@security_cli.command("check")
def check_security() -> None:
    """Print what is wrong with the running configuration; exit status 1 when something is."""
    problems = list(security.check(current_app))
    for problem in problems:
        click.echo(problem)
    if problems:
        sys.exit(1)
    click.echo("No problem found.")
