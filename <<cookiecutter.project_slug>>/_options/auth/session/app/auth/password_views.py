"""Change the password."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from app.auth import accounts, identity, stay_signed_in, throttling
from app.auth.forms import PasswordForm
from app.security import rate_limits
from app.security.access import fresh

blueprint = Blueprint("password", __name__, url_prefix="/account/password")


@blueprint.route("", methods=["GET", "POST"])
@fresh
@rate_limits.credential_change
def change() -> ResponseReturnValue:
    """Change the password. Every session ends; this browser gets a new one."""
    user = identity.current_user()
    form = PasswordForm(user.email)
    if form.validate_on_submit():
        current, new = form.current_password.data, form.new_password.data
        this = identity.current_session()
        proof, proven_at, stays = this.proof, this.proven_at, this.stays
        if accounts.change_password(this, current, new):
            kept = {"stays": stay_signed_in.granted(stays)}
            stay_signed_in.keep(identity.start_session(user, proof, proven_at, **kept))
            flash("Your password is changed. You are signed out everywhere else.")
            return redirect(url_for("account.index"))
        wrong = f"This is not your current password. {throttling.SESSION_HINT}"
        form.current_password.errors = [wrong]
    status = 422 if form.is_submitted() else 200
    return render_template("account/password.html", form=form), status
