"""The pages that complete a sign-in: the second factor after the password, or a passkey alone."""

from __future__ import annotations

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.auth import (
    account_limits,
    code_guesses,
    passkeys,
    sign_in,
    stay_signed_in,
    ticket_cookie,
    views,
)
from app.auth.factor_forms import CodeForm
from app.auth.forms import LoginForm
from app.auth.second_factors import WRONG_CODE, WRONG_PASSKEY
from app.security import rate_limits
from app.security.access import public
from app.security.limit_keys import client_address, hashed_key
from app.security.rate_limits import limited
from app.security.redirects import next_page

blueprint = Blueprint("second_step", __name__, url_prefix="/auth")


def ticket_account() -> str:
    """The key of the account whose second factor is asked for; of the client, without a ticket."""
    user = sign_in.awaited(ticket_cookie.kept())
    return hashed_key("account", str(user.id)) if user else client_address()


@blueprint.route("/second-factor", methods=["GET", "POST"])
@public
@limited("second_factor", rate_limits.SECOND_FACTOR, ticket_account)
def code() -> ResponseReturnValue:
    """Ask for a code of the authenticator app, or a recovery code, after the password."""
    form = CodeForm()
    if form.validate_on_submit():
        if found := sign_in.by_code(ticket_cookie.kept(), form.code.data):
            return views.go_on(found, stays=stay_signed_in.remembered())
        form.code.errors = [f"{WRONG_CODE} {code_guesses.HINT}"]
    return _page(form)


@blueprint.post("/second-factor/options")
@public
@account_limits.passkey_options
def options() -> ResponseReturnValue:
    """What to ask a passkey after the password."""
    asked = sign_in.passkey_options(ticket_cookie.kept())
    return asked or abort(401, "Start again with your password.")


@blueprint.post("/second-factor/passkey")
@public
@account_limits.passkey
def passkey() -> ResponseReturnValue:
    """Complete the sign-in by a passkey after the password."""
    answer = request.form.get("credential", "")
    if found := sign_in.by_passkey("second factor", ticket_cookie.kept(), answer):
        return views.go_on(found, stays=stay_signed_in.remembered())
    return _page(CodeForm(), WRONG_PASSKEY)


@blueprint.post("/passkey/options")
@public
@account_limits.passkey_options
def options_alone() -> ResponseReturnValue:
    """What to ask a passkey that signs in alone."""
    token, asked = sign_in.begin_by_passkey()
    ticket_cookie.keep(token)
    return asked


@blueprint.post("/passkey")
@public
@limited("sign_in", rate_limits.SIGN_IN, client_address)
def passkey_alone() -> ResponseReturnValue:
    """Sign in by a passkey alone, without address or password."""
    answer, form = request.form.get("credential", ""), LoginForm()
    if found := sign_in.by_passkey("passkey", ticket_cookie.kept(), answer):
        return views.go_on(found, stays=form.stay.data)
    error = f"{WRONG_PASSKEY} Try again, or sign in with your password."
    return render_template("auth/login.html", form=form, error=error), 401


def _page(form: CodeForm, error: str | None = None) -> ResponseReturnValue:
    """The page that asks for the second factor, or for the password when the ticket is gone."""
    user = sign_in.awaited(ticket_cookie.kept())
    if user is None:
        if form.is_submitted():  # else a link on another site would write it on our next page
            flash("Sign in again: the second factor took too long, or failed too often.", "error")
        return redirect(url_for("auth.login", next=next_page()))
    known = {"form": form, "error": error, "has_passkeys": bool(passkeys.of_user(user))}
    return render_template("auth/second_factor.html", **known), 401 if form.is_submitted() else 200
