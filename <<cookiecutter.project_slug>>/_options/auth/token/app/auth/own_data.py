"""The user's own data: take it along, and delete the account.

Deletion is a POST: a body of DELETE has no meaning (RFC 9110 section 9.3.5), and what lies between
may drop it. A stolen token is not enough, the password is asked for again. The export is a GET: it
changes nothing, and no other site can send the header with the token.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import Blueprint, Response
from pydantic import ConfigDict

from app import api
from app.auth import accounts, deletion, export, identity, throttling
from app.auth.schemas import Hidden
from app.database import db
from app.security import rate_limits
from app.security.logs import security_event
from app.validation import InvalidInput, Model

blueprint = Blueprint("own_data", __name__, url_prefix="/api/v1/me")


class Deletion(Model):
    """The password of the account that is deleted."""

    current_password: Hidden


class Export(Model):
    """All that is stored about the user: the account, and for each table a list of its rows."""

    model_config = ConfigDict(extra="allow")

    service: str
    exported_at: datetime
    account: dict[str, Any]


@blueprint.post("/delete")
@rate_limits.credential_change
@api.operation("Delete the account and all that it stores, for good", body=Deletion, status=204)
def delete(body: Deletion) -> None:
    user = identity.current_user()
    if not accounts.reauthenticate(identity.current_session(), body.current_password):
        security_event("user_delete_fail", account=user.id)
        wrong = "This is not your current password."
        raise InvalidInput(("#/current_password", f"{wrong} {throttling.HINT}"))
    deletion.delete_account(user, by="the user")
    db.session.commit()


@blueprint.get("/export")
@export.limit
@api.operation("Take along all that is stored about the user", answer=Export)
def export_data() -> Response:
    return export.respond(identity.current_user())
