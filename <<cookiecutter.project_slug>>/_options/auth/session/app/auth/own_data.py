"""Delete the own account: a stolen session is not enough, the password is asked for again."""

from __future__ import annotations

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue
from wtforms import PasswordField
from wtforms.validators import InputRequired

from app.auth import account, accounts, deletion, identity, throttling
from app.fields import TextForm
from app.security import rate_limits
from app.security.logs import security_event

blueprint = Blueprint("own_data", __name__, url_prefix="/account")


class DeletionForm(TextForm):
    """The password of the account that is deleted."""

    current_password = PasswordField("Current password", [InputRequired()])


@blueprint.route("/delete", methods=["GET", "POST"])
@rate_limits.credential_change
def delete() -> ResponseReturnValue:
    """Delete the account for good, and sign out."""
    form = DeletionForm()
    if form.validate_on_submit():
        user = identity.current_user()
        if accounts.reauthenticate(identity.current_session(), form.current_password.data or ""):
            deletion.delete_account(user, by="the user")
            return account.deleted()
        security_event("user_delete_fail", account=user.id)
        form.current_password.errors = [f"This is not your current password. {throttling.HINT}"]
    status = 422 if form.is_submitted() else 200
    return render_template("account/delete.html", form=form), status
