"""Fresh proofs of who the user is, before sensitive routes."""

from __future__ import annotations

import json

from flask import Blueprint

from app import api
from app.auth import account_limits, identity, second_factors, step_up, throttling
from app.auth.factor_schemas import Challenge, Options, PasskeyProof, Proof
from app.auth.schemas import TokenPair
from app.auth.second_factors import WRONG_CODE, WRONG_PASSKEY
from app.database import db
from app.security import rate_limits
from app.security.limit_keys import signed_in_session
from app.security.rate_limits import limited
from app.validation import InvalidInput

blueprint = Blueprint("step_up", __name__, url_prefix="/api/v1/me/step-up")


limit = limited("step_up", rate_limits.SECOND_FACTOR, signed_in_session)


@blueprint.post("")
@step_up.part_of_set_up
@limit
@api.operation(
    "Prove who you are, by the password or by a code: this session gets new tokens",
    body=Proof,
    answer=TokenPair,
)
def prove(body: Proof) -> TokenPair:
    session = identity.current_session()
    if (body.password is None) == (body.code is None):
        raise InvalidInput(("#", "Send either the password or a code."))
    if body.code is not None:
        if proof := step_up.by_code(session, body.code):
            return _proven(proof)
        raise InvalidInput(("#/code", f"{WRONG_CODE} {throttling.SESSION_HINT}"))
    if second_factors.of(session.user):
        raise InvalidInput(("#/password", "Use the second factor of this account for the proof."))
    if body.password is None or not step_up.by_password(session, body.password):
        raise InvalidInput(("#/password", f"This is not your password. {throttling.SESSION_HINT}"))
    return _proven(step_up.PASSWORD)


@blueprint.post("/options")
@step_up.part_of_set_up
@account_limits.passkey_options
@api.operation("What to ask a passkey of this user", answer=Challenge)
def options() -> Challenge:
    token, asked = step_up.begin_passkey(identity.current_session())
    db.session.commit()
    return Challenge(ticket=token.reveal(), options=Options.model_validate(asked))


@blueprint.post("/passkey")
@step_up.part_of_set_up
@limit
@api.operation(
    "Prove who you are, by a passkey: this session gets new tokens",
    body=PasskeyProof,
    answer=TokenPair,
)
def passkey(body: PasskeyProof) -> TokenPair:
    answer = json.dumps(body.credential)
    if not step_up.by_passkey(identity.current_session(), body.ticket, answer):
        raise InvalidInput(("#/credential", f"{WRONG_PASSKEY} {throttling.SESSION_HINT}"))
    return _proven("passkey")


def _proven(proof: str) -> TokenPair:
    pair = identity.prove(proof)
    db.session.commit()
    return pair
