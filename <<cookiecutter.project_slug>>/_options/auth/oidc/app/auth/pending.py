"""A pending sign-in or step-up: what the browser keeps while its user is at the provider.

``state``, ``nonce`` and the PKCE verifier are made for one sign-in and kept for ten minutes in the
cookie of the browser that started it. An answer to another browser's sign-in (login CSRF, a stolen
code) has a wrong state, a leaked code has no verifier, and a replayed ID token has a wrong nonce. A
server-side cache would not be bound to the browser (GHSA-fg6f-75jq-6523). A cookie can be copied,
so the database stores each ``state`` that was used: one start leads to one call of the token
endpoint. ASVS 10.2.1, 10.1.2.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass

from flask import session

from app.auth import single_use
from app.auth.provider_tokens import RefusedError
from app.database import db
from app.secret import Secret

PENDING = "oidc"  # the entry of the cookie: one sign-in, the last that was started
LIFETIME = 600  # seconds to sign in at the provider
MAX_NEXT = 500  # characters of the path to return to: a cookie has at most 4096 in all


@dataclass(frozen=True)
class Pending:
    """A sign-in that continues at the provider.

    :param target: the path to go to afterwards; empty for the start page.
    :param session_id: the public id of the session that the user steps up; empty for a sign-in.
    """

    state: Secret
    nonce: Secret
    verifier: Secret
    redirect_uri: str
    target: str
    started_at: float
    session_id: str = ""

    @classmethod
    def new(cls, redirect_uri: str, target: str | None, session_id: str = "") -> Pending:
        return cls(
            state=Secret(secrets.token_urlsafe(32)),
            nonce=Secret(secrets.token_urlsafe(32)),
            # 64 characters; RFC 7636 asks for 43 to 128
            verifier=Secret(secrets.token_urlsafe(48)),
            redirect_uri=redirect_uri,
            target=target if target and len(target) <= MAX_NEXT else "",
            started_at=time.time(),
            session_id=session_id,
        )


SECRETS = ("state", "nonce", "verifier")  # as text in the cookie, which is the browser's own


def keep(pending: Pending) -> None:
    """Keep the sign-in in this browser, in place of an earlier one."""
    session[PENDING] = vars(pending) | {it: getattr(pending, it).reveal() for it in SECRETS}


def resume(answer: Mapping[str, str]) -> Pending:
    """The sign-in that the provider's answer belongs to. It can be resumed once; this commits.

    :raises RefusedError: when this browser has not started it, it is too old, or it was resumed.
    """
    kept = session.get(PENDING)
    state = Secret(answer.get("state", ""))
    if not kept or state != Secret(kept["state"]):
        raise RefusedError("state: not of this browser")  # a pending sign-in stays
    del session[PENDING]
    if time.time() - kept["started_at"] > LIFETIME:
        raise RefusedError("state: too old")
    # Before the provider is asked: two hundred copies of the cookie lead to one request.
    if not single_use.use("state", state, LIFETIME):
        raise RefusedError("state: used before")
    db.session.commit()
    return Pending(**(kept | {it: Secret(kept[it]) for it in SECRETS}))
