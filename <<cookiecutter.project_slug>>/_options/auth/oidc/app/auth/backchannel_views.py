"""Back-channel logout: a session must not outlive its end at the provider.

The provider reports that a user has signed out there (OpenID Connect Back-Channel Logout 1.0). The
request comes from a program, without a cookie and without a CSRF token. It must carry a logout
token that the provider has just signed for this service, and that was not used before.
"""

from __future__ import annotations

import logging

from flask import Blueprint, current_app, request
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from app.auth import notices, provider_logouts, provider_tokens, sessions, single_use
from app.auth.models import Session, User
from app.auth.outbound import in_time
from app.auth.provider_tokens import LEEWAY, MAX_AGE, RefusedError
from app.database import db
from app.secret import Secret
from app.security import rate_limits
from app.security.access import View, public
from app.security.limit_keys import client_address
from app.security.logs import security_event

NOTICES = "600 per minute"  # by address; a provider may end the sessions of a whole company at once
KEPT = MAX_AGE + 2 * LEEWAY  # seconds until a logout token that is accepted now has expired

blueprint = Blueprint("backchannel", __name__, url_prefix="/auth")


def signed_request(view: View) -> View:
    """Require no CSRF token: the view verifies the provider's signature instead."""
    view.is_signed_request = True  # type: ignore[attr-defined]
    return view


@blueprint.post("/backchannel-logout")
@signed_request
@public
@rate_limits.limited("backchannel", NOTICES, client_address)
def logout() -> ResponseReturnValue:
    """End the sessions that the provider's logout token names (section 2.5)."""
    known = current_app.extensions["oidc"]
    issuer, token = known.settings.issuer, Secret(request.form.get("logout_token", ""))
    try:
        claims = in_time(lambda: provider_tokens.logout_token(token, known))
        provider_logouts.remember(issuer, claims)
        # Sent again, it would end a session that began after it (section 2.6, step 8). All is one
        # transaction: when ending the sessions fails, the provider may try again.
        if not single_use.use("logout", Secret(f"{issuer} {claims['jti']}"), KEPT):
            raise RefusedError("jti: used before")
    except RefusedError as error:
        security_event("authn_backchannel_logout_refused", reason=str(error))
        return {"error": "invalid_request"}, 400  # section 2.8
    query = select(Session).join(User).where(User.issuer == issuer)
    if "sub" in claims:
        query = query.where(User.subject == Secret(claims["sub"]))
    if "sid" in claims:
        query = query.where(Session.provider_sid == claims["sid"])
    ended = list(db.session.scalars(query, execution_options=sessions.OF_ALL))
    for session in ended:
        sessions.end(session)
    # With a session's id the user has signed out; without one, it also ends sessions elsewhere.
    if ended and "sid" not in claims:
        notices.send("provider_signed_out", ended[0].user)
    db.session.commit()
    security_event("authn_backchannel_logout", level=logging.INFO, ended=len(ended))
    return "", 200
