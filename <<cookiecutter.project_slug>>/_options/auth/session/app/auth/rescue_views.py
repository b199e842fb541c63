"""The ways back to an account: unlock it after a hundred failures, or keep its second factors."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.auth import account_limits, factor_resets, identity, links, lockout
from app.auth.step_up import part_of_set_up
from app.database import db
from app.secret import Secret
from app.security import rate_limits
from app.security.access import public

blueprint = Blueprint("rescue", __name__)


@blueprint.route("/auth/unlock", methods=["GET", "POST"])
@public
@account_limits.link
def unlock() -> ResponseReturnValue:
    """Let the account accept its password again, by the link of a mail."""
    done = "You can sign in with your password again."
    return _confirm("unlock", lambda token: lockout.unlock(token) is not None, done)


@blueprint.route("/auth/keep", methods=["GET", "POST"])
@public
@account_limits.link
def keep() -> ResponseReturnValue:
    """Keep the second factors that an operator lets end, by the link of a mail."""
    return _confirm("keep", factor_resets.cancel_by_link, "The account keeps its second factors.")


def _confirm(
    purpose: links.Purpose, finish: Callable[[Secret], bool], done: str
) -> ResponseReturnValue:
    """Ask for a click behind a link. To open the page changes nothing: mail scanners do it."""
    if request.method == "POST":
        if finish(Secret(request.form.get("token", ""))):
            db.session.commit()
            flash(done)
            return redirect(url_for("auth.login"))
        db.session.rollback()
    elif link := links.find(purpose, token := Secret(request.args.get("token", ""))):
        return render_template(f"auth/{purpose}.html", token=token, address=link.email)
    return render_template("auth/link_ended.html", purpose=purpose), 404


@blueprint.post("/account/second-factors/keep")
@part_of_set_up
@rate_limits.credential_change
def keep_by_session() -> ResponseReturnValue:
    """Keep the second factors, from a page of the account: any running session suffices."""
    if factor_resets.cancel_by_session(identity.current_user()):
        flash("You keep your second factors.")
    db.session.commit()
    return redirect(url_for("account.index"))
