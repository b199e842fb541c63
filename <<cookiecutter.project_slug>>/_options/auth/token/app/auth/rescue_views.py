"""The ways back to an account: unlock it after a hundred failures, or keep its second factors."""

from __future__ import annotations

from flask import Blueprint
from werkzeug.exceptions import NotFound

from app import api
from app.auth import account_limits, factor_resets, identity, lockout
from app.auth.schemas import LinkToken
from app.auth.step_up import part_of_set_up
from app.database import db
from app.security import rate_limits
from app.security.access import public

ENDED = "This code is invalid or has expired."

blueprint = Blueprint("rescue", __name__, url_prefix="/api/v1")


@blueprint.post("/auth/unlock")
@public
@account_limits.link
@api.operation(
    "Accept the password again after too many failures, by the code of a mail",
    body=LinkToken,
    status=204,
    errors=[404],
)
def unlock(body: LinkToken) -> None:
    if lockout.unlock(body.token) is None:
        db.session.rollback()
        raise NotFound(f"{ENDED} Set a new password.")
    db.session.commit()


@blueprint.post("/auth/keep")
@public
@account_limits.link
@api.operation(
    "Keep the second factors that an operator lets end, by the code of a mail",
    body=LinkToken,
    status=204,
    errors=[404],
)
def keep(body: LinkToken) -> None:
    if not factor_resets.cancel_by_link(body.token):
        db.session.rollback()
        raise NotFound(ENDED)
    db.session.commit()


@blueprint.post("/me/second-factors/keep")
@part_of_set_up
@rate_limits.credential_change
@api.operation("Keep the second factors that an operator lets end", status=204)
def keep_by_session() -> None:
    factor_resets.cancel_by_session(identity.current_user())
    db.session.commit()
