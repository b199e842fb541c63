"""``flask users`` and ``flask sessions``: accounts, and the end of their sessions."""

from __future__ import annotations

# <% if cookiecutter.auth == "oidc" %>
import logging

# <% endif %>
import click
from flask.cli import AppGroup
from sqlalchemy import select

from app.auth import account_lock, accounts, notices, revocation
# <% if cookiecutter.auth == "oidc" %>
from app.auth.models import LOCAL, User, normalize_email
# <% else %>
from app.auth.models import User, normalize_email
# <% endif %>
from app.database import db
from app.secret import Secret
# <% if cookiecutter.auth == "oidc" %>
from app.security.logs import security_event
from app.security.passwords import hash_password, password_problem
from app.settings import SERVICE_NAME
# <% endif %>

# <% if cookiecutter.auth == "oidc" %>
MAX_SHOWN = 10  # accounts that have one address
# <% endif %>
users_cli = AppGroup("users", help="List, create, change and delete accounts.")
sessions_cli = AppGroup("sessions", help="End sessions.")
TAKEN = "There is an account with the address {} already; see flask users show."


def new_address(typed: Secret) -> Secret:
    """The address of an account that is still to be made, checked before anything is asked for.

    :raises click.ClickException: when it is none, or has an account.
    """
    try:
        address = normalize_email(typed)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    # <% if cookiecutter.auth == "oidc" %>
    same = select(User.id).where(User.issuer == LOCAL, User.subject == address)
    # <% else %>
    same = select(User.id).where(User.email == address)
    # <% endif %>
    if db.session.scalar(same) is not None:
        raise click.ClickException(TAKEN.format(address.reveal()))
    return address


# <% if cookiecutter.auth == "oidc" %>
@users_cli.command("create-operator")
@click.argument("email", type=Secret)
@click.option(
    "--password",
    type=Secret,
    metavar="TEXT",
    help="Asked for when not given: a command line is visible to others.",
)
def create_user(email: Secret, password: Secret | None) -> None:
    """Create your own account for emergencies. It can sign in while EMERGENCY_LOGIN=1."""
    address = new_address(email)
    if password is None:
        password = Secret(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    if problem := password_problem(password, SERVICE_NAME, address):
        raise click.ClickException(problem)
    local = {"issuer": LOCAL, "subject": address}
    user = User(**local, email=address, is_operator=True, password_hash=hash_password(password))
    db.session.add(user)
    db.session.commit()
    security_event("user_created", level=logging.INFO, account=user.id)
    click.echo(f"Created {address.reveal()}.")


# <% endif %>
@users_cli.command("disable")
@click.argument("email", type=Secret)
def disable_user(email: Secret) -> None:
    """Disable an account: it cannot sign in, and its sessions end at once."""
    user = locked_user(email)
    ended = accounts.disable(user)
    db.session.commit()
    if ended is None:
        click.echo(f"{user.email.reveal()} is disabled already.")
    else:
        click.echo(f"Disabled {user.email.reveal()}; sessions ended: {ended}.")


@users_cli.command("enable")
@click.argument("email", type=Secret)
def enable_user(email: Secret) -> None:
    """Let a disabled account sign in again."""
    user = locked_user(email)
    enabled = accounts.enable(user)
    db.session.commit()
    address = user.email.reveal()
    click.echo(f"Enabled {address}." if enabled else f"{address} is enabled already.")


@users_cli.command("unlock")
@click.argument("email", type=Secret)
# <% if cookiecutter.auth == "oidc" %>
def unlock_user(email: Secret) -> None:
    """Reset an account's failed sign-ins, so that the next attempt is not delayed."""
    user = locked_user(email)
    failures, refusals = accounts.unlock(user)
# <% else %>
@click.option("--codes", is_flag=True, help="Accept codes of the app again, too.")
def unlock_user(email: Secret, codes: bool) -> None:
    """Reset an account's failed sign-ins, so that the next attempt is not delayed.

    With --codes, an attacker who has password and mailbox gets a hundred new guesses at the codes:
    be sure who asks.
    """
    user = locked_user(email)
    failures, refusals = accounts.unlock(user, codes=codes)
# <% endif %>
    db.session.commit()
    done = f"failures: {failures}, refused attempts: {refusals}"
    click.echo(f"Unlocked {user.email.reveal()}; {done}.")


@sessions_cli.command("revoke")
@click.option(
    "--user", "email", type=Secret, metavar="EMAIL", help="End the sessions of this account."
)
@click.option("--all", "everybody", is_flag=True, help="End the sessions of every account.")
def revoke_sessions(email: Secret | None, everybody: bool) -> None:
    """End sessions at once: of one account, or of all."""
    if bool(email) == everybody:
        raise click.UsageError("Give either --user EMAIL or --all.")
    user = locked_user(email) if email else None
    ended = revocation.end_all(user) if user else revocation.revoke_all()
    if user and ended:
        notices.send("signed_out", user)
    db.session.commit()
    click.echo(f"Sessions ended: {ended}.")


def locked_user(email: Secret) -> User:
    """The account that :func:`find_user` finds, locked until the commit.

    :raises click.ClickException: when there is none, or none any more.
    """
    user = find_user(email)
    lock_account(user)
    return user


def lock_account(user: User) -> None:
    """Lock an account until the commit: a command changes it by what it then finds.

    :raises click.ClickException: when somebody else has just deleted it.
    """
    if not account_lock.lock(user):
        raise click.ClickException("The account has just been deleted.")


# <% if cookiecutter.auth == "oidc" %>
def find_user(name: Secret) -> User:
    """The account with this subject, or else the only one with this address."""
    try:
        address = normalize_email(name)
    except ValueError:
        address = Secret(name.reveal().strip().casefold())
    for criterion in (User.subject == name, User.subject == address, User.email == address):
        found = db.session.scalars(select(User).where(criterion).limit(MAX_SHOWN)).all()
        if len(found) > 1:
            subjects = ", ".join(user.subject.reveal() for user in found)
            raise click.ClickException(f"Several accounts have this address; subjects: {subjects}.")
        if found:
            return found[0]
    raise click.ClickException(f"There is no account with the address or subject {name.reveal()}.")
# <% else %>
def find_user(email: Secret) -> User:
    """The account with this address.

    :raises click.ClickException: when there is none.
    """
    try:
        user = db.session.scalar(select(User).where(User.email == normalize_email(email)))
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    if user is None:
        raise click.ClickException(f"There is no account with the address {email.reveal()}.")
    return user
# <% endif %>
