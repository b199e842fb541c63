"""The operator's commands: ``flask users``, ``sessions``, ``keys`` and ``security``."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from flask import Flask, current_app
from flask.cli import AppGroup
from sqlalchemy import select

from app import keys, ledger, security
from app.auth import accounts, sessions
# <% if cookiecutter.auth == "oidc" %>
from app.auth.models import LOCAL, User, normalize_email
# <% else %>
from app.auth.models import User, normalize_email
# <% endif %>
from app.database import db
from app.security.logs import security_event
from app.security.passwords import hash_password, password_problem
from app.settings import SERVICE_NAME

# <% if cookiecutter.auth == "oidc" %>
MAX_SHOWN = 10  # accounts that have one address
# <% endif %>
users_cli = AppGroup("users", help="Create, disable, enable and unlock accounts.")
sessions_cli = AppGroup("sessions", help="End sessions.")
keys_cli = AppGroup("keys", help="The keys that sign cookies and tokens.")
security_cli = AppGroup("security", help="Look at the running configuration.")


def init_app(app: Flask) -> None:
    """Register the commands."""
    for group in (users_cli, sessions_cli, keys_cli, security_cli):
        app.cli.add_command(group)


# <% if cookiecutter.auth == "oidc" %>
@users_cli.command("create-operator")
# <% else %>
@users_cli.command("create")
# <% endif %>
@click.argument("email")
@click.password_option(help="Asked for when not given; a command line is visible to others.")
def create_user(email: str, password: str) -> None:
    # <% if cookiecutter.auth == "oidc" %>
    """Create an operator's account for emergencies: it signs in while EMERGENCY_LOGIN=1."""
    # <% else %>
    """Create an account."""
    # <% endif %>
    try:
        address = normalize_email(email)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    if problem := password_problem(password, SERVICE_NAME, address):
        raise click.ClickException(problem)
    # <% if cookiecutter.auth == "oidc" %>
    local = {"issuer": LOCAL, "subject": address}
    if db.session.scalar(select(User).filter_by(**local)):
        raise click.ClickException(f"There is an account with the address {address} already.")
    user = User(**local, email=address, is_operator=True, password_hash=hash_password(password))
    # <% else %>
    if db.session.scalar(select(User).where(User.email == address)):
        raise click.ClickException(f"There is an account with the address {address} already.")
    user = User(email=address, password_hash=hash_password(password))
    # <% endif %>
    db.session.add(user)
    db.session.commit()
    security_event("user_created", level=20, account=user.id)
    click.echo(f"Created {address}.")


@users_cli.command("disable")
@click.argument("email")
def disable_user(email: str) -> None:
    """Disable an account: no sign-in, and every session ends at once."""
    user = _user(email)
    ended = accounts.disable(user)
    db.session.commit()
    click.echo(f"Disabled {user.email}; sessions ended: {ended}.")


@users_cli.command("enable")
@click.argument("email")
def enable_user(email: str) -> None:
    """Let a disabled account sign in again."""
    user = _user(email)
    accounts.enable(user)
    db.session.commit()
    click.echo(f"Enabled {user.email}.")


@users_cli.command("unlock")
@click.argument("email")
def unlock_user(email: str) -> None:
    """Forget an account's failed sign-ins: the next one is looked at at once."""
    user = _user(email)
    failures, refusals = accounts.unlock(user)
    db.session.commit()
    click.echo(f"Unlocked {user.email}; failed in a row: {failures}, came too early: {refusals}.")


@sessions_cli.command("revoke")
@click.option("--user", "email", help="End the sessions of this account.")
@click.option("--all", "everybody", is_flag=True, help="End the sessions of every account.")
def revoke_sessions(email: str | None, everybody: bool) -> None:
    """End sessions at once: of one account, or of all."""
    if bool(email) == everybody:
        raise click.UsageError("Give either --user EMAIL or --all.")
    ended = sessions.end_everybodys() if everybody else sessions.end_all(_user(str(email)))
    db.session.commit()
    click.echo(f"Sessions ended: {ended}.")


@keys_cli.command("rotate")
@click.option("--env-file", default=".env", show_default=True, help="Where SECRET_KEY is set.")
def rotate_keys(env_file: str) -> None:
    """Make a new SECRET_KEY; the old one stays valid as SECRET_KEY_FALLBACKS until the next time.

    Nobody is signed out. Restart the service to use the new key. Rotate twice when one has leaked.
    """
    try:
        changed = keys.rotate(str(current_app.secret_key), Path(env_file))
    except (OSError, ValueError) as error:
        raise click.ClickException(f"{error} Nothing was changed.") from error
    security_event("sys_key_rotated", level=20)
    click.echo(f"New SECRET_KEY in {changed}. Restart the service to use it.")


@security_cli.command("check")
def check_security() -> None:
    """Print what is wrong with the running configuration; exit status 1 when something is."""
    problems = list(security.check(current_app))
    for problem in problems:
        click.echo(problem)
    if problems:
        sys.exit(1)
    click.echo("No problem found.")


@security_cli.command("practices")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="For tools: every test, by requirement.")
def list_practices(name: str | None, as_json: bool) -> None:
    """List the practices: attack, module, tests, ASVS requirements. NAME shows one in full."""
    try:
        practices = [it for it in ledger.read() if name in (None, it.name)]
    except ledger.LedgerError as error:
        raise click.ClickException(str(error)) from error
    if not practices:
        raise click.ClickException(f"There is no practice {name}.")
    lines = ledger.as_text(practices, in_full=name is not None)
    click.echo(ledger.as_json(practices) if as_json else "\n".join(lines).rstrip())


# <% if cookiecutter.auth == "oidc" %>
def _user(name: str) -> User:
    """The account with this subject, or else with this address if only one has it."""
    try:
        address = normalize_email(name)
    except ValueError:
        address = name.strip().casefold()
    for criterion in (User.subject == name, User.subject == address, User.email == address):
        found = db.session.scalars(select(User).where(criterion).limit(MAX_SHOWN)).all()
        if len(found) > 1:
            subjects = ", ".join(user.subject for user in found)
            raise click.ClickException(f"{name} is several accounts; name a subject: {subjects}.")
        if found:
            return found[0]
    raise click.ClickException(f"There is no account with the address or subject {name}.")
# <% else %>
def _user(email: str) -> User:
    try:
        user = db.session.scalar(select(User).where(User.email == normalize_email(email)))
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    if user is None:
        raise click.ClickException(f"There is no account with the address {email}.")
    return user
# <% endif %>
