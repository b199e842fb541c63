"""The user's own data: export it, and delete the account.

A stolen token is not enough for either: both require a fresh proof. The export is a GET: it changes
nothing, and no other site can send the header with the token.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import Blueprint, Response
from pydantic import ConfigDict

from app import api
from app.auth import deletion, export, identity
from app.database import db
from app.security import rate_limits
from app.security.access import fresh
from app.validation import Model

blueprint = Blueprint("own_data", __name__, url_prefix="/api/v1/me")


class Export(Model):
    """All that is stored about the user: the account, and for each table a list of its rows."""

    model_config = ConfigDict(extra="allow")

    service: str
    exported_at: datetime
    account: dict[str, Any]


@blueprint.post("/delete")
@fresh
@rate_limits.credential_change
@api.operation("Delete the account and all that it stores, for good", status=204)
def delete() -> None:
    deletion.delete_account(identity.locked_session().user)
    db.session.commit()


@blueprint.get("/export")
@fresh
@export.limit
@api.operation("Export all that is stored about the user", answer=Export)
def export_data() -> Response:
    return export.respond(identity.current_user())
