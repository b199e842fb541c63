"""The account of the user, and its password."""

from __future__ import annotations

from flask import Blueprint

from app import api
from app.auth import accounts, factor_resets, identity, sign_in_answers, throttling
from app.auth.schemas import PasswordChange, Profile, SignedIn
from app.database import db
from app.security import rate_limits
from app.security.access import fresh
from app.security.passwords import password_problem
from app.settings import SERVICE_NAME
from app.validation import InvalidInput

blueprint = Blueprint("me", __name__, url_prefix="/api/v1/me")


@blueprint.get("")
@api.operation("Read the own account", answer=Profile)
def profile() -> Profile:
    user = identity.current_user()
    return Profile(
        email=user.email.reveal(),
        created_at=user.created_at,
        factors_end_at=factor_resets.due(user),
    )


@blueprint.put("/password")
@fresh
@rate_limits.credential_change
@api.operation(
    "Change the password: every sign-in and all personal access tokens end, this client gets a new"
    " pair",
    body=PasswordChange,
    answer=SignedIn,
)
def change_password(body: PasswordChange) -> SignedIn:
    user = identity.current_user()
    if problem := password_problem(body.new_password, SERVICE_NAME, user.email):
        raise InvalidInput(("#/new_password", problem))
    session = identity.current_session()
    proof, proven_at = session.proof, session.proven_at
    if not accounts.change_password(session, body.current_password, body.new_password):
        wrong = "This is not your current password."
        raise InvalidInput(("#/current_password", f"{wrong} {throttling.SESSION_HINT}"))
    answer = sign_in_answers.start(user, proof, proven_at)
    db.session.commit()
    return answer
