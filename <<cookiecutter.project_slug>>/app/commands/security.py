"""``flask security``: check the configuration."""

from __future__ import annotations

import sys

import click
from flask import current_app
from flask.cli import AppGroup

from app import security

security_cli = AppGroup("security", help="Check the configuration.")


@security_cli.command("check")
def check_security() -> None:
    """Print what is wrong with the configuration; the exit status is 1 when something is."""
    problems = list(security.check(current_app))
    for problem in problems:
        click.echo(problem)
    if problems:
        sys.exit(1)
    click.echo("No problem found.")
