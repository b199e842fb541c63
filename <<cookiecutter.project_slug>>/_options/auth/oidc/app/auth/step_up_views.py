"""The page that asks for a fresh proof, and the provider's answer; see :mod:`app.auth.step_up`."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from flask import Blueprint, abort, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.auth import (
    account_lock,
    authentication,
    identity,
    members,
    provider_proof,
    round_trip,
    step_up,
    throttling,
)
from app.auth.claims import Claims
from app.auth.forms import ProofForm
from app.auth.models import LOCAL, Session
from app.auth.pending import Pending
from app.auth.provider_proof import WeakProofError
from app.auth.provider_tokens import RefusedError, is_name
from app.database import db
from app.secret import Secret
from app.security import rate_limits
from app.security.limit_keys import signed_in_session
from app.security.logs import security_event
from app.security.redirects import own_path

SOMEBODY_ELSE = (
    "You signed in at the provider as another user. Please use the account that is signed in here."
)
NOT_PROVEN = "The provider did not confirm that it is you. Please try again."

blueprint = Blueprint("step_up", __name__, url_prefix="/account/step-up")


@blueprint.route("", methods=["GET", "POST"])
@rate_limits.limited("step_up", rate_limits.SECOND_FACTOR, signed_in_session)
def prove() -> ResponseReturnValue:
    """A button that sends the browser to the provider; emergency accounts enter their password."""
    target = own_path(request.args.get("next"))
    if identity.current_user().issuer == LOCAL:
        return by_password(target)
    if request.method == "POST":
        return round_trip.begin(target, identity.current_session().public_id)
    return render_template("account/step_up.html", provider=round_trip.provider().settings.host)


def by_password(target: str | None) -> ResponseReturnValue:
    """Ask for the password, which is taken only while emergency accounts may sign in."""
    if not round_trip.provider().settings.emergency_login:
        abort(403, "The emergency sign-in is off.")
    form, session, error = ProofForm(), identity.current_session(), None
    if form.is_submitted():
        if form.validate() and authentication.reauthenticate(session.user, form.password.data):
            identity.prove(step_up.BY_PASSWORD)
            return _go_on(session, target)
        security_event("authn_step_up_fail", account=session.user_id, reason="password")
        error = f"The password is wrong. {throttling.HINT}"
    return render_template("account/step_up.html", form=form, error=error), 401 if error else 200


def complete(started: Pending, answer: Mapping[str, str]) -> ResponseReturnValue:
    """Take the provider's answer to a step-up. When it is refused, the session stays as it is."""
    try:
        session, claims = _own_answer(started, answer)
    except RefusedError as error:
        account = g.user.id if g.user else None
        security_event("authn_step_up_fail", account=account, reason=str(error))
        abort(403, error.advice if isinstance(error, WeakProofError) else NOT_PROVEN)
    if members.admit(claims, round_trip.provider().settings) is None:
        db.session.commit()  # a user who has left the groups is signed out
        abort(403, "Your account is no longer allowed to use this service.")
    if is_name(sid := claims.get("sid")):
        session.provider_sid = sid
    identity.prove(step_up.BY_PROVIDER, provider_proof.proven_at(claims))
    return _go_on(session, started.target)


def _own_answer(started: Pending, answer: Mapping[str, str]) -> tuple[Session, Claims]:
    """The session that has asked, and the claims of its user, who is locked until the commit.

    :raises RefusedError: when this is another session, or the answer is wrong or of another user.
    """
    if g.session is None or g.session.public_id != started.session_id:
        raise RefusedError("step-up: another session has asked")
    session = identity.current_session()
    claims = round_trip.claims_of(started, answer)
    user, issuer = session.user, round_trip.provider().settings.issuer
    if (user.issuer, user.subject) != (issuer, Secret(claims["sub"])):
        raise WeakProofError("step-up: another sub", SOMEBODY_ELSE)
    if not account_lock.lock(user):
        raise RefusedError("step-up: the account is deleted")
    return session, claims


def _go_on(session: Session, target: str | None) -> ResponseReturnValue:
    security_event("authn_step_up_success", level=logging.INFO, account=session.user_id)
    return redirect(own_path(target) or url_for("account.index"))
