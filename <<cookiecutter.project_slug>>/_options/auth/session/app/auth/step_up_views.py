"""The page that asks for a fresh proof of who the user is, before a sensitive route."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.auth import (
    account_limits,
    identity,
    passkeys,
    second_factors,
    step_up,
    throttling,
    ticket_cookie,
)
from app.auth.factor_forms import CodeForm, ProofForm
from app.auth.second_factors import WRONG_CODE, WRONG_PASSKEY
from app.database import db
from app.security import rate_limits
from app.security.limit_keys import signed_in_session
from app.security.rate_limits import limited
from app.security.redirects import next_page

blueprint = Blueprint("step_up", __name__, url_prefix="/account/step-up")


limit = limited("step_up", rate_limits.SECOND_FACTOR, signed_in_session)


@blueprint.route("", methods=["GET", "POST"])
@step_up.part_of_set_up
@limit
def prove() -> ResponseReturnValue:
    """Ask for the password, or for a second factor where the account has one."""
    session = identity.current_session()
    if second_factors.of(session.user):
        form = CodeForm()
        if form.validate_on_submit():
            if proof := step_up.by_code(session, form.code.data):
                return _proven(proof)
            form.code.errors = [f"{WRONG_CODE} {throttling.SESSION_HINT}"]
        return _page(form)
    form = ProofForm()
    if form.validate_on_submit():
        if step_up.by_password(session, form.password.data):
            return _proven(step_up.PASSWORD)
        form.password.errors = [f"This is not your password. {throttling.SESSION_HINT}"]
    return _page(form)


@blueprint.post("/options")
@step_up.part_of_set_up
@account_limits.passkey_options
def options() -> ResponseReturnValue:
    """What to ask a passkey of this user."""
    token, asked = step_up.begin_passkey(identity.current_session())
    ticket_cookie.keep(token)
    db.session.commit()
    return asked


@blueprint.post("/passkey")
@step_up.part_of_set_up
@limit
def passkey() -> ResponseReturnValue:
    """Prove by a passkey."""
    answer = request.form.get("credential", "")
    if step_up.by_passkey(identity.current_session(), ticket_cookie.kept(), answer):
        return _proven("passkey")
    form = CodeForm() if second_factors.of(identity.current_user()) else ProofForm()
    return _page(form, f"{WRONG_PASSKEY} {throttling.SESSION_HINT}")


def _proven(proof: str) -> ResponseReturnValue:
    """Return to the page that required the proof. Commits."""
    ticket_cookie.drop()
    identity.prove(proof)
    return redirect(next_page() or url_for("account.index"))


def _page(form: CodeForm | ProofForm, error: str | None = None) -> ResponseReturnValue:
    has_passkeys = bool(passkeys.of_user(identity.current_user()))
    status = 422 if form.is_submitted() else 200
    known = {"form": form, "error": error, "has_passkeys": has_passkeys}
    return render_template("account/step_up.html", **known), status
