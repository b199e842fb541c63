"""Delete one's own account: a stolen session is not enough, it requires a fresh proof."""

from __future__ import annotations

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from app.auth import account_views, deletion, identity
from app.forms import TextForm
from app.security import rate_limits
from app.security.access import fresh

blueprint = Blueprint("deletion", __name__, url_prefix="/account")


@blueprint.route("/delete", methods=["GET", "POST"])
@fresh
@rate_limits.credential_change
def delete() -> ResponseReturnValue:
    """Delete the account for good, and sign out."""
    form = TextForm()
    if form.validate_on_submit():
        deletion.delete_account(identity.locked_session().user)
        return account_views.deleted()
    status = 422 if form.is_submitted() else 200
    return render_template("account/delete.html", form=form), status
