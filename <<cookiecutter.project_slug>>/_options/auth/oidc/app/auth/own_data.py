"""Delete the own account: a stolen session is not enough, the sign-in must be a few minutes old.

There is no password to ask for again: the provider has it.
"""

from __future__ import annotations

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from app.auth import account, deletion, identity
from app.database import now
from app.fields import TextForm
from app.security import rate_limits
from app.security.logs import security_event

blueprint = Blueprint("own_data", __name__, url_prefix="/account")


class DeletionForm(TextForm):
    """A button."""


@blueprint.route("/delete", methods=["GET", "POST"])
@rate_limits.credential_change
def delete() -> ResponseReturnValue:
    """Delete the account here for good, and sign out. The one at the provider stays."""
    form, user = DeletionForm(), identity.current_user()
    fresh = now() - identity.current_session().created_at <= deletion.FRESH
    if form.validate_on_submit():
        if fresh:
            deletion.delete_account(user, by="the user")
            return account.deleted()
        security_event("user_delete_fail", account=user.id)
    status = 403 if form.is_submitted() else 200
    minutes = deletion.FRESH.seconds // 60
    return render_template("account/delete.html", form=form, fresh=fresh, minutes=minutes), status
