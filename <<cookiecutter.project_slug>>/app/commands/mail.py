"""``flask mail``: the process that sends mail, and what waits for it."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from threading import Event

import click
from flask import current_app
from flask.cli import AppGroup

from app.mail import delivery, outbox_status
from app.mail_settings import NO_URL

mail_cli = AppGroup("mail", help="Send and show the mails in the outbox.")
# <% if cookiecutter.database != "sqlite" %>
# An attacker in this process, who came in through a mail server's answer, has this role.
OTHER_ROLE = (
    "flask mail deliver has the role of the web process; give it MAIL_DATABASE_URL and not"
    " DATABASE_URL (docs/database.md)"
)
# <% endif %>


@mail_cli.command("deliver")
@click.option("--once", is_flag=True, help="Send what is due, then end.")
@click.option(
    "--heartbeat",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File whose time is updated before each mail and in each pause; or systemd's socket.",
)
def deliver(once: bool, heartbeat: Path | None) -> None:
    """Send mails until SIGTERM or SIGINT. Any number of these processes may run."""
    settings = current_app.config["SETTINGS"]
    if settings.production and not settings.mail.url:
        click.echo(f"Refusing to start: {NO_URL}", err=True)
        sys.exit(3)  # as in wsgi.py
    # <% if cookiecutter.database != "sqlite" %>
    if settings.production and settings.database_url != settings.mail_database_url:
        click.echo(f"Refusing to start: {OTHER_ROLE}", err=True)
        sys.exit(3)
    # <% endif %>
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        # The mail that is being sent comes to its end.
        signal.signal(number, lambda *_: stop.set())
    if not once:
        delivery.run(stop, heartbeat)
    elif not delivery.deliver_due(stop):
        raise click.ClickException("The mail server failed; see flask mail status.")


@mail_cli.command("status")
def status() -> None:
    """Show how many mails wait, were sent and were given up; exit with 1 when some are stuck."""
    for state, (count, oldest) in sorted(outbox_status.summary().items()):
        click.echo(f"{state}: {count}, the oldest from {oldest:%Y-%m-%d %H:%M} UTC")
    for mail in outbox_status.troubled():
        click.echo(
            f"  mail {mail.id} ({mail.kind}): {mail.state}, attempts: {mail.attempts},"
            f" due at {mail.due_at:%Y-%m-%d %H:%M} UTC. {mail.error}"
        )
    if outbox_status.is_stuck():
        minutes = outbox_status.STUCK.seconds // 60
        click.echo(f"Mail is stuck: some mails have waited for more than {minutes} minutes.")
        sys.exit(1)


@mail_cli.command("retry")
def retry() -> None:
    """Make all mails due at once whose last attempt failed, also those that were given up."""
    click.echo(f"Mails due now: {delivery.retry()}.")
