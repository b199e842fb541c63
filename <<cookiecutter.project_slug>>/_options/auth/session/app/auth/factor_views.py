"""The pages of second factors: what protects the account, the authenticator app, recovery codes."""

from __future__ import annotations

from flask import Blueprint, abort, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from app.auth import (
    account_views,
    factor_resets,
    identity,
    second_factors,
    session_lock,
    totp,
    totp_codes,
)
from app.auth.factor_forms import CodeForm, PasskeyForm
from app.auth.protection import Protection
from app.auth.qr import QRCode
from app.auth.second_factors import WRONG_CODE
from app.auth.step_up import part_of_set_up
from app.database import db
from app.secret import Secret
from app.security import rate_limits
from app.security.access import fresh

blueprint = Blueprint("second_factors", __name__, url_prefix="/account/second-factors")


@account_views.blueprint.context_processor
def protection_of_account() -> dict[str, object]:
    """What the account page shows of this."""
    return {"protection_of": Protection.of, "reset_due": factor_resets.due}


@blueprint.get("")
@part_of_set_up
def index() -> ResponseReturnValue:
    """What protects the account, and what to do next."""
    return page(PasskeyForm())


@blueprint.post("/authenticator/begin")
@fresh
@part_of_set_up
@rate_limits.credential_change
def begin_app() -> ResponseReturnValue:
    """Make a new secret for an authenticator app; it protects nothing before its first code."""
    totp.begin(identity.locked_session())
    db.session.commit()
    return redirect(url_for("second_factors.app"))


@blueprint.route("/authenticator", methods=["GET", "POST"])
@fresh
@part_of_set_up
@rate_limits.credential_change
def app() -> ResponseReturnValue:
    """Show the secret for the app, and enable the app by its first code."""
    form = CodeForm()
    if form.validate_on_submit():
        codes = second_factors.set_app_up(identity.locked_session(), form.code.data)
        if codes is not None:
            identity.prove("code")
            return done("The authenticator app is set up.", codes)
        session_lock.roll_back(identity.current_session())
        form.code.errors = [WRONG_CODE]
    user = identity.current_user()
    secret = totp.pending(identity.current_session())
    uri = totp_codes.uri(user, secret) if secret else ""
    code = QRCode.of(uri) if secret else None
    known = {"form": form, "secret": secret, "uri": uri, "code": code}
    answer = render_template("account/app.html", **known, enabled=totp.is_enabled(user))
    return answer, 422 if form.is_submitted() else 200


@blueprint.post("/authenticator/remove")
@fresh
@rate_limits.credential_change
def remove_app() -> ResponseReturnValue:
    """Remove the authenticator app, and sign out everywhere else."""
    if not second_factors.remove_app(identity.locked_session()):
        abort(404)
    db.session.commit()
    return done("The authenticator app is removed. You are signed out everywhere else.", [])


@blueprint.post("/recovery-codes")
@fresh
@rate_limits.credential_change
def recovery_codes() -> ResponseReturnValue:
    """Show new recovery codes, once; the old ones no longer work."""
    codes = second_factors.new_recovery_codes(identity.locked_session().user)
    db.session.commit()
    return done("You have new recovery codes. The old ones no longer work.", codes)


def done(what: str, codes: list[Secret]) -> ResponseReturnValue:
    """Say what was done, with the recovery codes if there are new ones: they are shown once."""
    if codes:
        return render_template("account/recovery_codes.html", what=what, codes=codes)
    flash(what)
    return redirect(url_for("second_factors.index"))


def page(form: PasskeyForm) -> ResponseReturnValue:
    """The page of all second factors, with the form for a new passkey."""
    known = {"form": form, "protection": Protection.of(identity.current_user())}
    return render_template("account/second_factors.html", **known), (
        422 if form.is_submitted() else 200
    )
