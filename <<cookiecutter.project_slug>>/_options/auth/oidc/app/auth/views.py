"""Sign in at the provider, sign out at both, and the emergency sign-in."""

from __future__ import annotations

import logging

from flask import Blueprint, abort, current_app, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.auth import (
    authentication,
    code_flow,
    identity,
    members,
    pending,
    provider_proof,
    round_trip,
    step_up,
    step_up_views,
    throttling,
)
from app.auth.forms import LoginForm
from app.auth.models import LOCAL
from app.auth.outbound import UnavailableError, in_time
from app.auth.provider_tokens import RefusedError, is_name
from app.database import db, now
from app.pages import first_page
from app.security import rate_limits, safe_methods
from app.security.access import public
from app.security.limit_keys import client_address
from app.security.logs import security_event
from app.security.redirects import own_path

# Each may send one request to the provider. Fewer would stop an office with one address that begins
# its day.
START = CALLBACK = "60 per 5 minutes"

blueprint = Blueprint("auth", __name__, url_prefix="/auth")


@blueprint.route("/login", methods=["GET", "POST"])
@public
@rate_limits.limited("start", START, client_address)
def login() -> ResponseReturnValue:
    """A button that sends the browser to the provider.

    It is no link: another site could link to it and sign its visitors in without being asked.
    """
    if request.method == "POST":
        return round_trip.begin(own_path(request.args.get("next")))
    settings = current_app.config["SETTINGS"]
    hint = not settings.production
    return render_template("auth/login.html", oidc=settings.oidc, development=hint)


@blueprint.get("/callback")
@safe_methods.writes("the provider answers by a redirect, a GET (RFC 6749 section 4.1.2)")
@public
@rate_limits.limited("callback", CALLBACK, client_address)
def callback() -> ResponseReturnValue:
    """The provider's answer, to a sign-in or to a step-up."""
    answer = request.args.to_dict()
    if len(answer) != len(list(request.args.items(multi=True))):
        raise RefusedError("a parameter comes twice")
    started = pending.resume(answer)
    if started.session_id:
        return step_up_views.complete(started, answer)
    claims = round_trip.claims_of(started, answer)
    user = members.admit(claims, round_trip.provider().settings)
    if user is None:
        db.session.commit()
        abort(403, "Your account is not allowed to use this service. Ask its operator for access.")
    security_event("authn_login_success", level=logging.INFO, account=user.id)
    identity.leave()
    sid, proven_at = claims.get("sid"), provider_proof.proven_at(claims)
    provider_sid = sid if is_name(sid) else None
    identity.start_session(user, step_up.BY_PROVIDER, proven_at, provider_sid=provider_sid)
    return redirect(own_path(started.target) or first_page())


@blueprint.post("/logout")
@rate_limits.unlimited("signing out must always work")
@public
def logout() -> ResponseReturnValue:
    """Sign out here and at the provider: the next user of this browser must not be signed in."""
    known, target = round_trip.provider(), None
    if g.user is not None and g.user.issuer != LOCAL:
        home = round_trip.own_url("home")
        try:
            target = in_time(lambda: code_flow.logout_url(known, home))
        except UnavailableError:
            security_event("authn_provider_logout_fail", account=g.user.id)
    return identity.sign_out(target or url_for("home"))


@blueprint.route("/emergency", methods=["GET", "POST"])
@public
@rate_limits.limited("sign_in", rate_limits.SIGN_IN, client_address, identity.attempted_account)
def emergency() -> ResponseReturnValue:
    """Sign in with a password while the provider is down. Off unless ``EMERGENCY_LOGIN=1``."""
    if not round_trip.provider().settings.emergency_login:
        abort(404)
    form = LoginForm()
    error = None
    if form.is_submitted():
        security_event("authn_emergency_login", stage="attempt")
        if form.validate() and (
            user := authentication.authenticate(form.email.data, form.password.data)
        ):
            identity.leave()
            identity.start_session(user, step_up.BY_PASSWORD, now())
            security_event("authn_emergency_login", stage="success")
            return redirect(own_path(request.args.get("next")) or first_page())
        error = f"The e-mail address or the password is wrong. {throttling.HINT}"
    return render_template("auth/emergency.html", form=form, error=error), 401 if error else 200
