"""``flask users reset-factors``: a user has lost second factor and recovery codes."""

from __future__ import annotations

import click

from app.auth import factor_resets, second_factors
from app.commands.accounts import TIME
from app.commands.users import locked_user, users_cli
from app.database import db
from app.secret import Secret


@users_cli.command("reset-factors")
@click.argument("email", type=Secret)
@click.option("--cancel", is_flag=True, help="Cancel a pending reset.")
@click.option("--now", is_flag=True, help="Disabled account: remove its second factors at once.")
def reset_factors(email: Secret, cancel: bool, now: bool) -> None:
    """Remove an account's second factors, at the first sign-in after three days.

    A mail informs the owner at once, who can cancel the reset. The reset also waits until a day
    after that mail was sent (flask mail status), and lapses after four more days. A second call
    does not change the time of a reset that is pending.
    """
    if cancel and now:
        raise click.UsageError("Give either --cancel or --now.")
    user = locked_user(email)
    if cancel:
        if not factor_resets.cancel(user, factor_resets.OPERATOR):
            raise click.ClickException(f"No reset is pending for {user.email.reveal()}.")
        db.session.commit()
        click.echo(f"{user.email.reveal()} keeps the second factors.")
        return
    if not second_factors.of(user):
        raise click.ClickException(f"{user.email.reveal()} has no second factor.")
    if now:
        if user.disabled_at is None:
            raise click.ClickException(
                f"First disable it: flask users disable {user.email.reveal()}"
            )
        factor_resets.remove_now(user)
        db.session.commit()
        click.echo(
            f"The second factors of {user.email.reveal()} are removed. A mail tells the owner."
        )
        return
    due = factor_resets.begin(user)
    db.session.commit()
    click.echo(
        f"The first sign-in of {user.email.reveal()} after {due:{TIME}} removes the second factors."
        " A mail tells the owner, who can cancel."
    )
