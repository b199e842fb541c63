"""Sign in, refresh, sign out; :mod:`app.auth.link_views` has what a mail begins."""

from __future__ import annotations

from flask import Blueprint

from app import api
from app.auth import identity, sessions, sign_in, sign_in_answers, throttling, tokens
from app.auth.schemas import Credentials, RefreshToken, SignedIn, TokenPair
from app.auth.step_up import part_of_set_up
from app.database import db
from app.security import rate_limits
from app.security.access import public
from app.security.limit_keys import client_address

REFRESH = "30 per minute"  # a client needs one in ten minutes; several may share an address

blueprint = Blueprint("auth", __name__, url_prefix="/api/v1/auth")


@blueprint.post("/token")
@public
@rate_limits.limited("sign_in", rate_limits.SIGN_IN, client_address, identity.attempted_account)
@api.operation("Sign in with the password", body=Credentials, answer=SignedIn, errors=[401])
def token(body: Credentials) -> SignedIn:
    found = sign_in.by_password(body.email, body.password)
    if found is None:
        # Every failure gets the same answer, which does not tell whether an account exists.
        wrong = "The e-mail address or the password is wrong."
        raise identity.unauthorized(f"{wrong} {throttling.HINT}")
    return sign_in_answers.go_on(found)


@blueprint.post("/refresh")
@public
@rate_limits.limited("refresh", REFRESH, client_address, identity.attempted_session)
@api.operation("Exchange a refresh token", body=RefreshToken, answer=TokenPair, errors=[401])
def refresh(body: RefreshToken) -> TokenPair:
    pair = tokens.rotate(body.refresh_token)
    if pair is None:
        raise identity.unauthorized("Please sign in again.", "invalid_token")
    return pair


@blueprint.post("/logout")
@part_of_set_up
@rate_limits.unlimited("signing out must always work")
@api.operation("Sign out: both tokens end at once", status=204)
def logout() -> None:
    sessions.end(identity.current_session())
    db.session.commit()
