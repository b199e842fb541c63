"""``flask users list``, ``show`` and ``delete``: what an operator may know of an account."""

from __future__ import annotations

import click
from sqlalchemy import select
from sqlalchemy.orm import load_only

# <% if cookiecutter.auth == "oidc" %>
from app.auth import deletion, sessions
# <% else %>
from app.auth import code_guesses, deletion, factor_resets, second_factors, sessions, throttling
# <% endif %>
from app.auth.models import User
from app.commands.users import find_user, users_cli
from app.database import db
from app.secret import Secret

PAGE, LONGEST = 50, 1000  # accounts that a list has, and may have
MAX_ID = 2**31 - 1  # what an INTEGER holds in each of the databases
TIME = "%Y-%m-%d %H:%M UTC"
# <% if cookiecutter.auth == "oidc" %>
LISTED = load_only(User.email, User.subject, User.created_at, User.disabled_at)
# <% else %>
LISTED = load_only(User.email, User.created_at, User.disabled_at)
# <% endif %>


@users_cli.command("list")
@click.option("--before", default=MAX_ID, metavar="ID", help="Only accounts older than this one.")
@click.option("--limit", default=PAGE, type=click.IntRange(1, LONGEST), show_default=True)
def list_users(before: int, limit: int) -> None:
    """List accounts, the newest first."""
    query = select(User).where(User.id < before).order_by(User.id.desc()).options(LISTED)
    found = db.session.scalars(query.limit(limit + 1)).all()
    for user in found[:limit]:
        state = "disabled" if user.disabled_at else "enabled"
        # <% if cookiecutter.auth == "oidc" %>
        shown = f"{user.email.reveal()}  {user.subject.reveal()}"
        click.echo(f"{user.id}  {shown}  {user.created_at:{TIME}}  {state}")
        # <% else %>
        click.echo(f"{user.id}  {user.email.reveal()}  {user.created_at:{TIME}}  {state}")
        # <% endif %>
    if len(found) > limit:
        more = "" if limit == PAGE else f" --limit {limit}"
        click.echo(f"There are more: flask users list --before {found[limit - 1].id}{more}")


@users_cli.command("show")
@click.argument("email", type=Secret)
def show_user(email: Secret) -> None:
    """Show an account, without what its user has written."""
    user = find_user(email)
    # <% if cookiecutter.auth != "oidc" %>
    due = factor_resets.due(user)
    # <% endif %>
    facts = {
        "id": user.id,
        "address": user.email.reveal(),
        # <% if cookiecutter.auth == "oidc" %>
        "provider": user.issuer or "none: an account for emergencies",
        "subject": user.subject.reveal(),
        "operator": "yes" if user.is_operator else "no",
        # <% endif %>
        "created": f"{user.created_at:{TIME}}",
        "disabled": f"{user.disabled_at:{TIME}}" if user.disabled_at else "no",
        "password": "set" if user.password_hash else "none",
        # <% if cookiecutter.auth != "oidc" %>
        "second factors": ", ".join(second_factors.of(user)) or "none",
        "reset of factors due": f"{due:{TIME}}" if due else "no",
        "locked": "yes: flask users unlock" if throttling.is_locked_out(user) else "no",
        "codes locked": "yes: flask users unlock --codes"
        if code_guesses.are_used_up(user)
        else "no",
        # <% endif %>
        "failed sign-ins in a row": user.failures,
        "attempts that came too early": user.refusals,
        "stored rows": user.stored_rows,
        "stored bytes": user.stored_bytes,
    }
    for name, value in facts.items():
        click.echo(f"{name}: {value}")
    for session in sessions.running(sessions.of_user(user)):
        click.echo(f"session from {session.address}, last seen {session.last_seen_at:{TIME}}")


@users_cli.command("delete")
@click.argument("email", type=Secret)
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete_user(email: Secret, yes: bool) -> None:
    """Delete an account and all that is stored about its user, for good. A mail says so."""
    user = find_user(email)
    address, rows = user.email, user.stored_rows
    if not yes:
        db.session.commit()  # no transaction waits for an answer
        click.confirm(f"Delete {address.reveal()} and {rows} rows for good?", abort=True)
    if not deletion.delete_account(user, by_operator=True):
        raise click.ClickException(f"Somebody else has just deleted {address.reveal()}.")
    db.session.commit()
    click.echo(f"Deleted {address.reveal()}.")
