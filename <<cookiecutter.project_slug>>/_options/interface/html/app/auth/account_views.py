"""The account page: the profile, the sessions that can be ended, and the user's own data."""

from __future__ import annotations

from flask import Blueprint, abort, current_app, flash, g, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from app.auth import export, identity, revocation, sessions
from app.auth.models import Session
from app.database import db
from app.security.access import fresh

blueprint = Blueprint("account", __name__, url_prefix="/account")


@blueprint.get("/")
def index() -> str:
    """The profile and the sessions."""
    has_password = "password.change" in current_app.view_functions
    return render_template(
        "account/index.html",
        sessions=sessions.running(db.session.scalars(sessions.NEWEST)),
        current_session=identity.current_session(),
        password_url=url_for("password.change") if has_password else None,
    )


@blueprint.post("/sessions/<public_id:public_id>/revoke")
@fresh
def revoke(public_id: str) -> ResponseReturnValue:
    """End a session of the user; another user's gets the same 404 as a missing one."""
    identity.locked_session()
    # Only the user's own: app.security.scope.
    session = db.session.scalar(select(Session).where(Session.public_id == public_id))
    if session is None:
        abort(404)
    sessions.end(session)
    db.session.commit()
    flash("That session has ended.")
    return redirect(url_for("account.index"))


@blueprint.post("/sessions/revoke-others")
@fresh
def revoke_others() -> ResponseReturnValue:
    """End all sessions except this one."""
    this = identity.locked_session()
    count = revocation.end_all(this.user, but=this)
    db.session.commit()
    flash(f"Sessions ended: {count}.")
    return redirect(url_for("account.index"))


@blueprint.post("/export")
@fresh
@export.limit
def export_data() -> ResponseReturnValue:
    """Download all that is stored about the user.

    By a button: a link on another site cannot put the file on the disk of a shared computer.
    """
    return export.respond(identity.current_user())


def deleted() -> ResponseReturnValue:
    """Sign out of the account that the request has deleted, and say so. Commits."""
    db.session.commit()
    g.user = g.session = None
    return identity.signed_out(current_app.make_response(render_template("account/deleted.html")))
