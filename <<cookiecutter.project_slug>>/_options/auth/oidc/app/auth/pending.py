"""A sign-in that was started: what this browser remembers while its user is at the provider.

``state``, ``nonce`` and the PKCE verifier are made for one sign-in and kept in the cookie of the
browser that started it, for ten minutes. So an answer that somebody else started (login CSRF, a
stolen code) has no state that fits, a code that leaks has no verifier, and an ID token that is
played again has another nonce. A cache instead of the cookie would not be bound to the browser:
GHSA-fg6f-75jq-6523. A cookie can be copied, though, so the database remembers each ``state`` that
came back: one start leads to one call of the token endpoint. ASVS 10.2.1, 10.1.2.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from flask import session

from app.auth import single_use
from app.auth.provider_tokens import RefusedError
from app.database import db

PENDING = "oidc"  # the entry of the cookie: one sign-in, the last that was started
LIFETIME = 600  # seconds for whoever signs in at the provider
MAX_NEXT = 500  # characters of a path to return to: the cookie has room for 4096 in all


@dataclass(frozen=True)
class Pending:
    """A sign-in that was started and goes on at the provider.

    :param target: the path to go to afterwards; empty means no particular one.
    """

    state: str
    nonce: str
    verifier: str
    redirect_uri: str
    target: str
    started_at: float

    @classmethod
    def new(cls, redirect_uri: str, target: str | None) -> Pending:
        return cls(
            state=secrets.token_urlsafe(32),
            nonce=secrets.token_urlsafe(32),
            verifier=secrets.token_urlsafe(48),  # 64 characters; RFC 7636 asks for 43 to 128
            redirect_uri=redirect_uri,
            target=target if target and len(target) <= MAX_NEXT else "",
            started_at=time.time(),
        )


def keep(pending: Pending) -> None:
    """Remember the sign-in in this browser, in place of any other that was started."""
    session[PENDING] = asdict(pending)


def resume(answer: Mapping[str, str]) -> Pending:
    """The sign-in that the provider's answer belongs to. It can be taken once, and commits that.

    :raises RefusedError: when this browser has started none, another one, or was here with it.
    """
    kept = session.get(PENDING)
    state = answer.get("state", "")
    if not kept or not hmac.compare_digest(kept["state"].encode(), state.encode()):
        raise RefusedError("state: not of this browser")  # and a sign-in that goes on is left alone
    del session[PENDING]
    if time.time() - kept["started_at"] > LIFETIME:
        raise RefusedError("state: too old")
    # Before the provider is asked: two hundred copies of the cookie would ask it two hundred times.
    if not single_use.use("state", state, LIFETIME):
        raise RefusedError("state: used before")
    db.session.commit()
    return Pending(**kept)
