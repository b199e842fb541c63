"""Add and remove passkeys. The app asks the authenticator: a browser, or the system of a phone."""

from __future__ import annotations

import json
import logging

from flask import url_for
from werkzeug.exceptions import NotFound

from app import api
from app.auth import (
    account_limits,
    factor_views,
    identity,
    passkey_ceremonies,
    passkey_requests,
    passkeys,
    second_factors,
    tickets,
)
from app.auth.factor_schemas import Challenge, NewPasskey, Options, PasskeyAdded
from app.auth.factor_views import shown, texts
from app.auth.step_up import part_of_set_up
from app.database import db
from app.security import rate_limits
from app.security.access import fresh
from app.validation import InvalidInput

REFUSED = (
    "This passkey could not be added. It may be registered already, or you have"
    f" {passkeys.MAX_PASSKEYS}. Ask for new options, or remove one."
)

log = logging.getLogger("app.passkeys")
blueprint = factor_views.blueprint


@blueprint.post("/passkeys/options")
@fresh
@part_of_set_up
@account_limits.passkey_options
@api.operation("What to ask an authenticator for a new passkey", answer=Challenge)
def passkey_options() -> Challenge:
    session = identity.current_session()
    ticket, token = tickets.issue("new passkey", session.user, session)
    asked = passkey_requests.to_create(ticket, session.user)
    db.session.commit()
    return Challenge(ticket=token.reveal(), options=Options.model_validate(asked))


@blueprint.post("/passkeys")
@fresh
@part_of_set_up
@rate_limits.credential_change
@api.operation(
    "Add the passkey that an authenticator has made",
    body=NewPasskey,
    answer=PasskeyAdded,
    status=201,
)
def add_passkey(body: NewPasskey) -> tuple[PasskeyAdded, dict[str, str]]:
    session = identity.current_session()
    ticket = tickets.find("new passkey", body.ticket, session)
    try:
        if ticket is None:
            raise passkey_ceremonies.PasskeyError("no ticket, or it has expired")
        answer = json.dumps(body.credential)
        made = passkey_ceremonies.register(ticket, session.user, answer, body.name)
    except passkey_ceremonies.PasskeyError as error:
        db.session.rollback()
        log.info("passkey refused", extra={"reason": str(error)})
        raise InvalidInput(("#/credential", REFUSED)) from error
    tickets.use(ticket)
    codes = texts(second_factors.added(session.user, "passkey"))
    pair = identity.prove("passkey").model_dump()
    added = PasskeyAdded(**pair, recovery_codes=codes, passkey=shown(made))
    location = url_for("second_factors.remove_passkey", public_id=made.public_id)
    db.session.commit()
    return added, {"Location": location}


@blueprint.delete("/passkeys/<public_id:public_id>")
@fresh
@rate_limits.credential_change
@api.operation(
    "Remove a passkey: every other sign-in and all personal access tokens end",
    status=204,
    errors=[409],
)
def remove_passkey(public_id: str) -> None:
    if not second_factors.remove_passkey(identity.locked_session(), public_id):
        raise NotFound
    db.session.commit()
