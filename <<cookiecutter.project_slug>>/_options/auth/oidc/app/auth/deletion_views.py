"""Delete the own account: a stolen session is not enough; see :mod:`app.auth.step_up`."""

from __future__ import annotations

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from app.auth import account_views, deletion, identity
from app.forms import TextForm
from app.security import rate_limits
from app.security.access import fresh

blueprint = Blueprint("deletion", __name__, url_prefix="/account")


class DeletionForm(TextForm):
    """A button."""


@blueprint.route("/delete", methods=["GET", "POST"])
@fresh
@rate_limits.credential_change
def delete() -> ResponseReturnValue:
    """Delete the account here for good, and sign out. The one at the provider stays."""
    form = DeletionForm()
    if form.validate_on_submit():
        deletion.delete_account(identity.locked_session().user)
        return account_views.deleted()
    return render_template("account/delete.html", form=form)
