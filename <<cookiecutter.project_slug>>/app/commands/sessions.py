"""``flask sessions``: end sessions."""

from __future__ import annotations

import click
from flask.cli import AppGroup

from app.auth import sessions
from app.commands.users import find_user
from app.database import db

sessions_cli = AppGroup("sessions", help="End sessions.")


@sessions_cli.command("revoke")
@click.option("--user", "email", help="End the sessions of this account.")
@click.option("--all", "everybody", is_flag=True, help="End the sessions of every account.")
def revoke_sessions(email: str | None, everybody: bool) -> None:
    """End sessions at once: of one account, or of all."""
    if bool(email) == everybody:
        raise click.UsageError("Give either --user EMAIL or --all.")
    ended = sessions.revoke_all() if everybody else sessions.end_all(find_user(str(email)))
    db.session.commit()
    click.echo(f"Sessions ended: {ended}.")
