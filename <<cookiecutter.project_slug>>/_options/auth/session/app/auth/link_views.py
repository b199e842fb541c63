"""The pages of links in mails: open an account, or set a forgotten password anew.

They say the same whether an address has an account or not; :mod:`app.auth.links` has the attacks.
"""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.auth import account_limits, links, password_reset, sign_up
from app.auth.forms import AddressForm, NewPasswordForm
from app.auth.models import User
from app.database import db
from app.secret import Secret
from app.security.access import public

SENT = (
    "If this address can be used here, we have sent a mail to it. If you asked a moment ago, use"
    " the link in that earlier mail."
)

blueprint = Blueprint("links", __name__, url_prefix="/auth")


@blueprint.route("/register", methods=["GET", "POST"])
@public
@account_limits.sign_up
def register() -> ResponseReturnValue:
    """Ask for an account: a mail to the address has the link that opens it."""
    sign_up.require_open()
    return _mail_link(sign_up.request_link, "auth/register.html")


@blueprint.route("/forgot", methods=["GET", "POST"])
@public
@account_limits.forgot
def forgot() -> ResponseReturnValue:
    """Ask for a new password: a mail to the address has the link that sets it."""
    return _mail_link(password_reset.request_link, "auth/forgot.html")


@blueprint.route("/confirm", methods=["GET", "POST"])
@public
@account_limits.link
def confirm() -> ResponseReturnValue:
    """Open an account by the link of a mail."""
    return choose_password("confirm", sign_up.open_account, "Your account is ready. Sign in.")


@blueprint.route("/reset", methods=["GET", "POST"])
@public
@account_limits.link
def reset() -> ResponseReturnValue:
    """Set a new password by the link of a mail. Every session ends."""
    return choose_password("reset", password_reset.reset, "Your password is changed. Sign in.")


def _mail_link(request_link: Callable[[Secret], None], template: str) -> ResponseReturnValue:
    """Ask for an address; the answer is the same whether it has an account or not."""
    form = AddressForm()
    if form.validate_on_submit():
        request_link(form.email.data)
        db.session.commit()
        flash(SENT)
        return redirect(url_for("auth.login"))
    return render_template(template, form=form), 422 if form.is_submitted() else 200


def choose_password(
    purpose: links.Purpose, finish: Callable[[Secret, Secret], User | None], done: str
) -> ResponseReturnValue:
    """Ask for a password behind a link. To open the page changes nothing: mail scanners do it."""
    token = Secret((request.form if request.method == "POST" else request.args).get("token", ""))
    link = links.find(purpose, token)
    if link is not None:
        form = NewPasswordForm(link.email, token)
        if not form.validate_on_submit():
            status = 422 if form.is_submitted() else 200
            return render_template(
                "auth/choose.html", form=form, purpose=purpose, address=link.email
            ), status
        if finish(token, form.password.data):
            db.session.commit()
            flash(done)
            return redirect(url_for("auth.login"))
        db.session.rollback()
    return render_template("auth/link_ended.html", purpose=purpose), 404
