"""Sign in and sign out; :mod:`app.auth.link_views` has what a mail begins."""

from __future__ import annotations

import logging

from flask import Blueprint, redirect, render_template, session, url_for
from flask.typing import ResponseReturnValue

from app.auth import identity, sign_in, stay_signed_in, throttling, ticket_cookie
from app.auth.forms import LoginForm
from app.database import db, now
from app.pages import first_page
from app.security import rate_limits
from app.security.access import public
from app.security.limit_keys import client_address
from app.security.logs import security_event
from app.security.redirects import next_page

blueprint = Blueprint("auth", __name__, url_prefix="/auth")


@blueprint.route("/login", methods=["GET", "POST"])
@public
@rate_limits.limited("sign_in", rate_limits.SIGN_IN, client_address, identity.attempted_account)
def login() -> ResponseReturnValue:
    """Sign in. Every failure gets the same answer: it must not tell whether an account exists."""
    form = LoginForm()
    error = None
    if form.is_submitted():
        if form.validate() and (found := sign_in.by_password(form.email.data, form.password.data)):
            return go_on(found, stays=form.stay.data)
        error = f"The e-mail address or the password is wrong. {throttling.HINT}"
    return render_template("auth/login.html", form=form, error=error), 401 if error else 200


def go_on(found: sign_in.SignIn, *, stays: bool) -> ResponseReturnValue:
    """Start the session of a complete sign-in, or ask for the second factor. Commits.

    :param stays: whether the user chose to stay signed in.
    """
    target = next_page()
    identity.leave()
    if found.ticket is not None:
        security_event("authn_second_factor_asked", level=logging.INFO, account=found.user.id)
        db.session.commit()
        session.clear()  # not before: if the commit fails, the session before goes on
        ticket_cookie.keep(found.ticket)
        stay_signed_in.remember(stays)
        return redirect(url_for("second_step.code", next=target))
    kept = {"stays": stay_signed_in.granted(stays)}
    started = identity.start_session(found.user, str(found.proof), now(), **kept)
    stay_signed_in.keep(started)
    return redirect(target or first_page())


@blueprint.post("/logout")
@rate_limits.unlimited("signing out must always work")
@public
def logout() -> ResponseReturnValue:
    """Sign out. The cookie of :mod:`app.auth.device_tokens` stays: the device is known."""
    return identity.sign_out(url_for("home"), clear='"cache", "storage"')
