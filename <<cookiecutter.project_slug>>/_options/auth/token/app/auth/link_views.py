"""The routes of links in mails: open an account, or set a forgotten password anew.

They answer the same whether an address has an account or not: see :mod:`app.auth.links`.
"""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint
from werkzeug.exceptions import NotFound

from app import api
from app.auth import account_limits, device_tokens, links, password_reset, sign_up
from app.auth.models import User
from app.auth.schemas import Address, KnownDevice, LinkPassword
from app.database import db
from app.secret import Secret
from app.security.access import public
from app.security.passwords import password_problem
from app.settings import SERVICE_NAME
from app.validation import InvalidInput

blueprint = Blueprint("links", __name__, url_prefix="/api/v1/auth")


@blueprint.post("/register")
@public
@account_limits.sign_up
@api.operation("Ask for an account: a mail has the code that opens it", body=Address, status=202)
def register(body: Address) -> None:
    sign_up.request_link(body.email)
    db.session.commit()


@blueprint.post("/confirm")
@public
@account_limits.link
@api.operation(
    "Open the account by the code of a mail", body=LinkPassword, answer=KnownDevice, errors=[404]
)
def confirm(body: LinkPassword) -> KnownDevice:
    choose_password("confirm", sign_up.open_account, body)
    return KnownDevice(device_token=device_tokens.given())


@blueprint.post("/forgot")
@public
@account_limits.forgot
@api.operation("Ask for a new password: a mail has the code that sets it", body=Address, status=202)
def forgot(body: Address) -> None:
    password_reset.request_link(body.email)
    db.session.commit()


@blueprint.post("/reset")
@public
@account_limits.link
@api.operation(
    "Set a new password by the code of a mail: every sign-in and all personal access tokens end",
    body=LinkPassword,
    status=204,
    errors=[404],
)
def reset(body: LinkPassword) -> None:
    choose_password("reset", password_reset.reset, body)


def choose_password(
    purpose: links.Purpose, finish: Callable[[Secret, Secret], User | None], body: LinkPassword
) -> None:
    """Set a password by the code of a mail, once."""
    link = links.find(purpose, body.token)
    if link is not None:
        if problem := password_problem(body.password, SERVICE_NAME, link.email):
            raise InvalidInput(("#/password", problem))
        if finish(body.token, body.password):
            db.session.commit()
            return
        db.session.rollback()
    raise NotFound("This code is invalid or has expired. Ask for a new one.")
