"""Challenges: the answer to a request that has to prove more first.

An anonymous one gets 401, as RFC 6750 says it; one whose proof is too old or too weak gets what RFC
9470 says. No answer tells a forger why a token is not valid.
"""

from __future__ import annotations

from flask import g, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import Forbidden

from app.auth import step_up, token_access
from app.auth.identity import current_session, unauthorized
from app.security.logs import security_event


def challenge() -> ResponseReturnValue:
    """Answer an anonymous request for a private route: 401, and how to sign in.

    A forged, an expired and a revoked token get the same answer: the reason helps only a forger.

    :raises Forbidden: for a personal access token that does not open this route.
    """
    if g.personal_token and (reason := token_access.refusal(g.personal_token)):
        pat = g.personal_token.public_id
        security_event("authz_fail", reason=reason, route=request.endpoint, pat=pat)
        raise Forbidden(reason)
    sent_token = "Authorization" in request.headers
    raise unauthorized("Please sign in.", "invalid_token" if sent_token else None)


def step_up_first(fresh: bool) -> ResponseReturnValue | None:
    """Refuse a signed-in user who has to prove more, as RFC 9470 section 3 says it.

    :param fresh: whether the route asks for a fresh proof.
    :raises Unauthorized: with ``insufficient_user_authentication`` and ``max_age``.
    :raises Forbidden: when a second factor has to be set up first.
    """
    if g.session is None:
        return None  # a personal access token: token_access has decided
    match step_up.needed(current_session(), fresh):
        case "proof":
            age = str(int(step_up.FRESH.total_seconds()))
            raise unauthorized(
                "Give a fresh proof of who you are: send POST /api/v1/me/step-up.",
                "insufficient_user_authentication",
                max_age=age,
            )
        case "set-up":
            raise Forbidden("This service requires a second factor. Set one up first.")
    return None
