"""Complete a sign-in: by the second factor after the password, or by a passkey alone."""

from __future__ import annotations

import json

from flask import Blueprint

from app import api, validation
from app.auth import account_limits, code_guesses, identity, sign_in, throttling
from app.auth.factor_schemas import Challenge, CodeAnswer, Options, PasskeyAnswer, TicketOnly
from app.auth.schemas import SignedIn
from app.auth.second_factors import WRONG_CODE, WRONG_PASSKEY
from app.auth.sign_in_answers import go_on
from app.secret import Secret
from app.security import rate_limits
from app.security.access import public
from app.security.limit_keys import client_address, hashed_key
from app.security.rate_limits import limited

ENDED = "This ticket is invalid or has expired. Sign in with the password again."

blueprint = Blueprint("second_step", __name__, url_prefix="/api/v1/auth")


def ticket_account() -> str:
    """The key of the account whose second factor is asked for; of the client, without a ticket."""
    user = sign_in.awaited(Secret(validation.peek("ticket")))
    return hashed_key("account", str(user.id)) if user else client_address()


@blueprint.post("/second-factor")
@public
@limited("second_factor", rate_limits.SECOND_FACTOR, ticket_account)
@api.operation(
    "Complete the sign-in by a code of the app, or a recovery code",
    body=CodeAnswer,
    answer=SignedIn,
    errors=[401],
)
def code(body: CodeAnswer) -> SignedIn:
    found = sign_in.by_code(body.ticket, body.code)
    return go_on(found or _refuse(body.ticket, f"{WRONG_CODE} {code_guesses.HINT}"))


@blueprint.post("/second-factor/options")
@public
@account_limits.passkey_options
@api.operation(
    "What to ask a passkey after the password", body=TicketOnly, answer=Options, errors=[401]
)
def options(body: TicketOnly) -> Options:
    asked = sign_in.passkey_options(body.ticket)
    if asked is None:
        raise identity.unauthorized(ENDED)
    return Options.model_validate(asked)


@blueprint.post("/second-factor/passkey")
@public
@account_limits.passkey
@api.operation(
    "Complete the sign-in by a passkey", body=PasskeyAnswer, answer=SignedIn, errors=[401]
)
def passkey(body: PasskeyAnswer) -> SignedIn:
    answer = json.dumps(body.credential)
    found = sign_in.by_passkey("second factor", body.ticket, answer)
    return go_on(found or _refuse(body.ticket, WRONG_PASSKEY))


@blueprint.post("/passkey/options")
@public
@account_limits.passkey_options
@api.operation("What to ask a passkey that signs in alone", answer=Challenge)
def options_alone() -> Challenge:
    token, asked = sign_in.begin_by_passkey()
    return Challenge(ticket=token.reveal(), options=Options.model_validate(asked))


@blueprint.post("/passkey")
@public
@limited("sign_in", rate_limits.SIGN_IN, client_address)
@api.operation(
    "Sign in by a passkey alone, without address or password",
    body=PasskeyAnswer,
    answer=SignedIn,
    errors=[401],
)
def passkey_alone(body: PasskeyAnswer) -> SignedIn:
    found = sign_in.by_passkey("passkey", body.ticket, json.dumps(body.credential))
    if found is None:
        raise identity.unauthorized(f"{WRONG_PASSKEY} Ask for new options, or use the password.")
    return go_on(found)


def _refuse(ticket: Secret, wrong: str) -> sign_in.SignIn:
    """Say whether another try with this ticket makes sense.

    :raises werkzeug.exceptions.Unauthorized: always.
    """
    again = sign_in.awaited(ticket) is not None
    raise identity.unauthorized(f"{wrong} {throttling.HINT}" if again else ENDED)
