"""Change the address of the account, confirm the new one, or undo the change."""

from __future__ import annotations

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.auth import account_limits, address_change, identity
from app.auth.forms import NewAddressForm
from app.auth.link_views import SENT, choose_password
from app.database import db
from app.secret import Secret
from app.security.access import fresh, public

blueprint = Blueprint("address", __name__)


@blueprint.route("/account/email", methods=["GET", "POST"])
@fresh
@account_limits.address_change
def request_change() -> ResponseReturnValue:
    """Ask for another address: a mail to it has the link that changes it."""
    form = NewAddressForm(identity.current_user().email)
    if form.validate_on_submit():
        address_change.request_change(identity.locked_session().user, form.email.data)
        db.session.commit()
        flash(SENT)
        return redirect(url_for("account.index"))
    status = 422 if form.is_submitted() else 200
    return render_template("account/email.html", form=form), status


@blueprint.route("/auth/email", methods=["GET", "POST"])
@public  # whoever is not signed in is told to; the sign-in page's address would have the token
@account_limits.link
def change() -> ResponseReturnValue:
    """Change the address by the link. To open the page changes nothing: mail scanners do it."""
    if g.user is None:
        return render_template("auth/sign_in_first.html"), 401
    if request.method == "POST":
        user = identity.locked_session().user
        if address_change.change(Secret(request.form.get("token", "")), user):
            db.session.commit()
            flash("Your address is changed.")
            return redirect(url_for("account.index"))
        db.session.rollback()
    elif link := address_change.pending(token := Secret(request.args.get("token", "")), g.user):
        return render_template("auth/new_address.html", token=token, address=link.email)
    return render_template("auth/link_ended.html", purpose="email"), 404


@blueprint.route("/auth/undo", methods=["GET", "POST"])
@public
@account_limits.link
def undo() -> ResponseReturnValue:
    """Undo a change of address, and choose a new password, by the link in the notice."""
    return choose_password(
        "undo", address_change.undo, "Your account has its old address again. Sign in."
    )
