"""The account page: the profile, and the sessions that can be ended."""

from __future__ import annotations

from flask import Blueprint, abort, current_app, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from app.auth import identity, sessions
from app.auth.models import Session
from app.database import db
from app.security import rate_limits

blueprint = Blueprint("account", __name__, url_prefix="/account")


@blueprint.get("/")
def index() -> str:
    """The profile and the sessions."""
    has_password = "account.password" in current_app.view_functions
    return render_template(
        "account/index.html",
        sessions=db.session.scalars(sessions.NEWEST).all(),
        current_session=identity.current_session(),
        password_url=url_for("account.password") if has_password else None,
    )


@blueprint.post("/sessions/<public_id:public_id>/revoke")
@rate_limits.write
def revoke(public_id: str) -> ResponseReturnValue:
    """End a session of the user; another user's gets the same 404 as a missing one."""
    # Only the user's own: app.security.scope.
    session = db.session.scalar(select(Session).where(Session.public_id == public_id))
    if session is None:
        abort(404)
    sessions.end(session)
    db.session.commit()
    flash("That session has ended.")
    return redirect(url_for("account.index"))


@blueprint.post("/sessions/revoke-others")
@rate_limits.write
def revoke_others() -> ResponseReturnValue:
    """End all sessions except this one."""
    count = sessions.end_all(identity.current_user(), but=identity.current_session())
    db.session.commit()
    flash(f"Sessions ended: {count}.")
    return redirect(url_for("account.index"))
