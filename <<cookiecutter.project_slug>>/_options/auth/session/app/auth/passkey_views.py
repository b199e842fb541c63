"""Add and remove passkeys; the script of the page asks the authenticator."""

from __future__ import annotations

import logging

from flask import abort
from flask.typing import ResponseReturnValue

from app.auth import (
    account_limits,
    factor_views,
    identity,
    passkey_ceremonies,
    passkey_requests,
    passkeys,
    second_factors,
    ticket_cookie,
    tickets,
)
from app.auth.factor_forms import PasskeyForm
from app.auth.factor_views import done, page
from app.auth.step_up import part_of_set_up
from app.database import db
from app.security import rate_limits
from app.security.access import fresh

REFUSED = (
    "This passkey could not be added. It may be registered already, or you have"
    f" {passkeys.MAX_PASSKEYS}. Try again, or remove one."
)

log = logging.getLogger("app.passkeys")
blueprint = factor_views.blueprint


@blueprint.post("/passkeys/options")
@fresh
@part_of_set_up
@account_limits.passkey_options
def passkey_options() -> ResponseReturnValue:
    """What to ask an authenticator for a new passkey."""
    session = identity.current_session()
    ticket, token = tickets.issue("new passkey", session.user, session)
    asked = passkey_requests.to_create(ticket, session.user)
    db.session.commit()
    ticket_cookie.keep(token)
    return asked


@blueprint.post("/passkeys")
@fresh
@part_of_set_up
@rate_limits.credential_change
def add_passkey() -> ResponseReturnValue:
    """Add the passkey that an authenticator has made."""
    form = PasskeyForm()
    if not form.validate_on_submit():
        return page(form)
    session = identity.current_session()
    ticket = tickets.find("new passkey", ticket_cookie.kept(), session)
    try:
        if ticket is None:
            raise passkey_ceremonies.PasskeyError("no ticket, or it has expired")
        answer, name = form.credential.data or "", form.name.data or ""
        passkey_ceremonies.register(ticket, session.user, answer, name)
    except passkey_ceremonies.PasskeyError as error:
        db.session.rollback()
        log.info("passkey refused", extra={"reason": str(error)})
        form.form_errors.append(REFUSED)
        return page(form)
    tickets.use(ticket)
    codes = second_factors.added(session.user, "passkey")
    ticket_cookie.drop()
    identity.prove("passkey")
    return done("The passkey is added.", codes)


@blueprint.post("/passkeys/<public_id:public_id>/remove")
@fresh
@rate_limits.credential_change
def remove_passkey(public_id: str) -> ResponseReturnValue:
    """Remove a passkey, and sign out everywhere else."""
    if not second_factors.remove_passkey(identity.locked_session(), public_id):
        abort(404)
    db.session.commit()
    return done("The passkey is removed. You are signed out everywhere else.", [])
