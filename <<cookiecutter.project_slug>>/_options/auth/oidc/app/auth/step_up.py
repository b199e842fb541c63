"""Step-up: a stolen session deletes the account, downloads all data or disables other users.

Such a route requires a proof of the last ten minutes (:func:`app.security.access.fresh`). The
provider asks its user to sign in again, also when the user is signed in there, and its
``auth_time`` says that it did (:mod:`app.auth.provider_proof`). The service accepts the answer only
for the session that asked, and only from its user. Emergency accounts enter their password. A proof
gives the session a new token. The pages are in :mod:`app.auth.step_up_views`. RFC 9470; OWASP
Session Management cheat sheet; ASVS 6.8.4, 7.5.1, 7.5.3.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from app.auth.models import Session
from app.database import now

FRESH = timedelta(minutes=10)  # to read a page twice; a stolen session may act as long
BY_PROVIDER, BY_PASSWORD = "provider", "password"  # names of proofs


def needed(session: Session, fresh: bool) -> Literal["proof", "set-up"] | None:
    """What the user of this session has to do before the present route; None when it may continue.

    :param fresh: whether the route asks for a fresh proof.
    """
    return "proof" if fresh and not is_fresh(session) else None


def is_fresh(session: Session) -> bool:
    """Whether the last proof is young enough. There is none if the provider named no time."""
    return session.proven_at is not None and now() - session.proven_at <= FRESH
