"""What a client gets after a step of a sign-in: its tokens, or a ticket for the second step."""

from __future__ import annotations

import logging
from datetime import datetime

from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized

from app.auth import device_tokens, identity, second_factors
from app.auth.models import User
from app.auth.schemas import SignedIn
from app.auth.sign_in import SignIn
from app.database import db, now
from app.secret import Secret
from app.security.logs import security_event


class SecondFactorRequired(Unauthorized):
    """The password was right, and the account has a second factor: 401, with a ticket for it.

    :param factors: what can complete the sign-in; a recovery code is a ``code``, too.
    """

    def __init__(self, ticket: Secret, factors: list[second_factors.Kind]) -> None:
        challenge = WWWAuthenticate("bearer", {"realm": "api"})
        detail = "Send the second factor, with this ticket, within five minutes."
        super().__init__(detail, www_authenticate=challenge)
        code = "second_factor_required"
        self.members = {"code": code, "ticket": ticket.reveal(), "factors": factors}


def go_on(found: SignIn) -> SignedIn:
    """Start the session of a complete sign-in. Commits.

    :raises SecondFactorRequired: when it is not complete.
    """
    if found.ticket is not None:
        security_event("authn_second_factor_asked", level=logging.INFO, account=found.user.id)
        factors = second_factors.of(found.user)
        db.session.commit()
        raise SecondFactorRequired(found.ticket, factors)
    answer = start(found.user, str(found.proof), now())
    db.session.commit()
    return answer


def start(user: User, proof: str, proven_at: datetime | None) -> SignedIn:
    """Start a session, for a client whose device is known from now on. The caller commits.

    :param proof: how and when the user proved their identity; see :mod:`app.auth.step_up`.
    """
    pair = identity.start_session(user, proof, proven_at)
    return SignedIn(**pair.model_dump(), device_token=device_tokens.given())
