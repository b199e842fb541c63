"""``flask users``: create, disable, enable and unlock accounts."""

from __future__ import annotations

import click
from flask.cli import AppGroup
from sqlalchemy import select

from app.auth import accounts
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
    user = find_user(email)
    ended = accounts.disable(user)
    db.session.commit()
    click.echo(f"Disabled {user.email}; sessions ended: {ended}.")


@users_cli.command("enable")
@click.argument("email")
def enable_user(email: str) -> None:
    """Let a disabled account sign in again."""
    user = find_user(email)
    accounts.enable(user)
    db.session.commit()
    click.echo(f"Enabled {user.email}.")


@users_cli.command("unlock")
@click.argument("email")
def unlock_user(email: str) -> None:
    """Forget an account's failed sign-ins: the next one is looked at at once."""
    user = find_user(email)
    failures, refusals = accounts.unlock(user)
    db.session.commit()
    click.echo(f"Unlocked {user.email}; failed in a row: {failures}, came too early: {refusals}.")


# <% if cookiecutter.auth == "oidc" %>
def find_user(name: str) -> User:
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
def find_user(email: str) -> User:
    """The account with this address."""
    try:
        user = db.session.scalar(select(User).where(User.email == normalize_email(email)))
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    if user is None:
        raise click.ClickException(f"There is no account with the address {email}.")
    return user
# <% endif %>
