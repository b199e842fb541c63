"""The sessions of the user: where the account is signed in, and the end of any of them."""

from __future__ import annotations

from datetime import datetime

from flask import Blueprint
from pydantic import Field
from sqlalchemy import select
from werkzeug.exceptions import NotFound

from app import api
from app.auth import identity, revocation, sessions
from app.auth.models import Session
from app.database import db
from app.fields import SecretText
from app.security.access import fresh
from app.validation import Model

blueprint = Blueprint("sessions", __name__, url_prefix="/api/v1/me/sessions")


class SessionRow(Model):
    """A sign-in that has not ended; ``device`` is the User-Agent that signed in."""

    id: str = Field(validation_alias="public_id")
    created_at: datetime
    last_seen_at: datetime
    address: str
    device: str
    current: bool  # whether this request belongs to it


class Sessions(Model):
    """All sign-ins of the user, the last seen first."""

    sessions: list[SessionRow]


class OtherSessions(Model):
    """The end of all others: the device that is named stays known, see :mod:`app.auth.devices`."""

    device_token: SecretText | None = None


@blueprint.get("")
@api.operation("List where the account is signed in", answer=Sessions)
def index() -> Sessions:
    this = identity.current_session()
    found = sessions.running(db.session.scalars(sessions.NEWEST))
    return Sessions(sessions=[shown(session, session is this) for session in found])


@blueprint.delete("/<public_id:public_id>")
@fresh
@api.operation("End a sign-in: both of its tokens end at once", status=204)
def end(public_id: str) -> None:
    identity.locked_session()
    # Only the user's own: app.security.scope.
    session = db.session.scalar(select(Session).where(Session.public_id == public_id))
    if session is None:
        raise NotFound
    sessions.end(session)
    db.session.commit()


@blueprint.post("/revoke-others")
@fresh
@api.operation(
    "End all sign-ins but this one, and all personal access tokens", body=OtherSessions, status=204
)
def revoke_others(body: OtherSessions) -> None:
    this = identity.locked_session()
    revocation.end_all(this.user, but=this)
    db.session.commit()


def shown(session: Session, current: bool) -> SessionRow:
    """A session, as its user sees it."""
    return SessionRow.model_validate(
        {
            "public_id": session.public_id,
            "created_at": session.created_at,
            "last_seen_at": session.last_seen_at,
            "address": session.address,
            "device": session.device,
            "current": current,
        }
    )
