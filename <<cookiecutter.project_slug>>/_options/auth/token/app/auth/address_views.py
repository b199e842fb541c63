"""Change the address of the account, confirm the new one, or undo the change."""

from __future__ import annotations

from flask import Blueprint
from werkzeug.exceptions import NotFound

from app import api
from app.auth import account_limits, address_change, identity
from app.auth.link_views import choose_password
from app.auth.schemas import Address, LinkPassword, LinkToken
from app.database import db
from app.security.access import fresh, public
from app.validation import InvalidInput

blueprint = Blueprint("address", __name__, url_prefix="/api/v1")


@blueprint.put("/me/email")
@fresh
@account_limits.address_change
@api.operation(
    "Ask for another address: a mail to it has the code that changes it",
    body=Address,
    status=202,
)
def request_change(body: Address) -> None:
    if body.email == identity.current_user().email:
        raise InvalidInput(("#/email", "Your account has this address already."))
    address_change.request_change(identity.locked_session().user, body.email)
    db.session.commit()


@blueprint.post("/auth/email")
@account_limits.link
@api.operation(
    "Change the address by the code of a mail", body=LinkToken, status=204, errors=[404, 409]
)
def change(body: LinkToken) -> None:
    if not address_change.change(body.token, identity.locked_session().user):
        db.session.rollback()
        raise NotFound("This code is invalid or has expired. Ask for a new one.")
    db.session.commit()


@blueprint.post("/auth/undo")
@public
@account_limits.link
@api.operation(
    "Undo a change of address by the code of the notice, and set a new password: every sign-in"
    " and all personal access tokens end",
    body=LinkPassword,
    status=204,
    errors=[404, 409],
)
def undo(body: LinkPassword) -> None:
    choose_password("undo", address_change.undo, body)
