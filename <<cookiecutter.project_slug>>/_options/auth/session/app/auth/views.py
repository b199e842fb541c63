"""Sign up, sign in, sign out, change the password."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.auth import account, accounts, identity, throttling
from app.auth.forms import LoginForm, PasswordForm, RegisterForm
from app.database import db
from app.pages import first_page
from app.security import rate_limits
from app.security.access import public
from app.security.limit_keys import client_address
from app.security.redirects import own_path

blueprint = Blueprint("auth", __name__, url_prefix="/auth")


@blueprint.route("/register", methods=["GET", "POST"])
@public
@rate_limits.sign_up
def register() -> ResponseReturnValue:
    """Create an account and sign in."""
    form = RegisterForm()
    if form.validate_on_submit():
        user = accounts.register(form.email.data or "", form.password.data or "")
        if user is not None:
            identity.start_session(user)
            db.session.commit()
            flash("Welcome. Your account is ready.")
            return redirect(first_page())
        form.email.errors = ["This address cannot be used. Sign in if it is yours."]
    status = 422 if form.is_submitted() else 200
    return render_template("auth/register.html", form=form), status


@blueprint.route("/login", methods=["GET", "POST"])
@public
@rate_limits.limited("sign_in", rate_limits.SIGN_IN, client_address, identity.attempted_account)
def login() -> ResponseReturnValue:
    """Sign in. Every failure gets the same answer: it must not tell whether an account exists."""
    form = LoginForm()
    error = None
    if form.is_submitted():
        if form.validate() and identity.sign_in(form.email.data or "", form.password.data or ""):
            return redirect(own_path(request.args.get("next")) or first_page())
        error = f"The e-mail address or the password is wrong. {throttling.HINT}"
    return render_template("auth/login.html", form=form, error=error), 401 if error else 200


@blueprint.post("/logout")
@rate_limits.unlimited("signing out must always work")
@public
def logout() -> ResponseReturnValue:
    """Sign out."""
    return identity.sign_out(url_for("home"))


@account.blueprint.route("/password", endpoint="password", methods=["GET", "POST"])
@rate_limits.credential_change
def change_password() -> ResponseReturnValue:
    """Change the password. Every session ends; this browser gets a new one."""
    user = identity.current_user()
    form = PasswordForm(user.email)
    if form.validate_on_submit():
        current, new = form.current_password.data or "", form.new_password.data or ""
        if accounts.change_password(identity.current_session(), current, new):
            identity.start_session(user)
            db.session.commit()
            flash("Your password is changed. You are signed out everywhere else.")
            return redirect(url_for("account.index"))
        form.current_password.errors = [f"This is not your current password. {throttling.HINT}"]
    status = 422 if form.is_submitted() else 200
    return render_template("account/password.html", form=form), status
