"""``flask users create``, ``invite``, ``set-address``, ``reset``: by the mailbox of a user.

No operator chooses the password of somebody else: it would be known to two, travel in a message,
and stay. The owner of the mailbox sets it, by a link that works once (ASVS 6.4.1).
"""

from __future__ import annotations

import logging

import click
from flask import current_app
from sqlalchemy.exc import IntegrityError

from app.auth import account_links, factor_resets, link_issuance, links, revocation
from app.auth.models import User
from app.commands.users import TAKEN, find_user, lock_account, new_address, users_cli
from app.database import db
from app.mail import outbox
from app.secret import Secret
from app.security.logs import security_event


@users_cli.command("create")
@click.argument("email", type=Secret)
def create_user(email: Secret) -> None:
    """Create an account without a password. Mail a link that sets one, valid for 30 minutes."""
    address = new_address(email)
    _mail_link("reset", address, "reset_by_operator")  # first: it may begin the transaction anew
    user = User(email=address)
    db.session.add(user)
    try:
        db.session.flush()
    except IntegrityError as error:  # somebody else took it since it was checked
        raise click.ClickException(TAKEN.format(address.reveal())) from error
    db.session.commit()
    security_event("user_created", level=logging.INFO, account=user.id)
    click.echo(f"Created {address.reveal()}; a link that sets the password is on its way.")


@users_cli.command("invite")
@click.argument("email", type=Secret)
def invite_user(email: Secret) -> None:
    """Mail a link that opens an account. It is valid for 7 days. Not with SIGN_UP=closed."""
    address = new_address(email)
    if current_app.config["SETTINGS"].sign_up == "closed":
        raise click.ClickException("SIGN_UP is closed; first set it to invite or open.")
    _mail_link("invite", address, "invite")
    db.session.commit()
    security_event("user_invited")
    click.echo(f"Invited {address.reveal()}; the mail is on its way.")


@users_cli.command("reset")
@click.argument("email", type=Secret)
@click.option(
    "--disable-password", is_flag=True, help="Disable the password and end every session at once."
)
def reset_user(email: Secret, disable_password: bool) -> None:
    """Mail a link that sets a new password, valid for 30 minutes."""
    user = find_user(email)
    if user.disabled_at is not None:
        raise click.ClickException("The account is disabled. Enable it first: flask users enable.")
    ended = 0
    if disable_password:
        lock_account(user)  # of a sign-in at the same time, no session stays
        user.password_hash = None
        db.session.flush()
        ended = revocation.end_all(user)
        db.session.commit()
    _mail_link("reset", user.email, "reset_by_operator")
    db.session.commit()
    security_event("user_reset", account=user.id, password_disabled=disable_password)
    done = f" The old password is disabled; sessions ended: {ended}." if disable_password else ""
    click.echo(f"A link is on its way to {user.email.reveal()}.{done}")


@users_cli.command("set-address")
@click.argument("email", type=Secret)
@click.argument("new", type=Secret)
def set_address(email: Secret, new: Secret) -> None:
    """Give an account another address. Its sessions and links end; both addresses get a mail."""
    user, new = find_user(email), new_address(new)
    lock_account(user)
    old = user.email
    account_links.delete_all(user)
    user.email = new
    try:
        db.session.flush()
    except IntegrityError as error:  # somebody else took it since it was checked
        raise click.ClickException(TAKEN.format(new.reveal())) from error
    # Its mail went to the old mailbox.
    factor_resets.cancel(user, factor_resets.OPERATOR, to=old)
    ended = revocation.end_all(user)
    for address in (old, new):
        outbox.add("address_set", address, {"is_new": address == new})
    db.session.commit()
    security_event("user_address_changed", account=user.id, by="an operator")
    click.echo(f"{old.reveal()} is {new.reveal()} from now on; sessions ended: {ended}.")


def _mail_link(purpose: links.Purpose, email: Secret, kind: str) -> None:
    """Write a mail with a new link; it ends the one before. The caller commits."""
    token = link_issuance.issue_at_once(purpose, email)
    page: links.Purpose = "confirm" if purpose == "invite" else purpose
    outbox.add(kind, email, links.shown(page, token))
