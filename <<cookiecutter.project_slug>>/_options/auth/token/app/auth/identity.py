"""The user who sends this request, found by the access token in the Authorization header.

A token is accepted nowhere else: any page that a browser shows could send a cookie, and an address
with a token in it ends up in logs and histories (RFC 6750, sections 5.3 and 2.3).
"""

from __future__ import annotations

from typing import cast

from flask import g, request
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized

from app import validation
from app.auth import sessions, tokens
from app.auth.models import MAX_EMAIL, Session, User, normalize_email
from app.auth.schemas import TokenPair
from app.security.limit_keys import hashed_key


def identify() -> None:
    """Set ``g.user`` and ``g.session``, or None for both."""
    g.user = g.session = None
    # By hand: Werkzeug's request.authorization fails on "Basic" with letters that are not ASCII.
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return
    g.session = tokens.session_of(token)
    if g.session is not None:
        g.user = g.session.user


def current_user() -> User:
    """The signed-in user of this request.

    :raises Unauthorized: on a public route, when nobody is signed in.
    """
    if g.get("user") is None:
        raise unauthorized("Please sign in.")
    return cast(User, g.user)


def current_session() -> Session:
    """The session this request belongs to; see :func:`current_user`."""
    current_user()
    return cast(Session, g.session)


def start_session(user: User) -> TokenPair:
    """Start a session for ``user`` and return its tokens. The caller commits."""
    session, token = sessions.start(
        user, address=request.remote_addr or "", device=request.user_agent.string
    )
    return tokens.pair(session, token)


def challenge() -> ResponseReturnValue:
    """Answer an anonymous request for a private route: 401, and how to sign in.

    A forged, an expired and a revoked token get the same answer: the reason helps only a forger.
    """
    sent_token = "Authorization" in request.headers
    raise unauthorized("Please sign in.", "invalid_token" if sent_token else None)


def unauthorized(detail: str, error: str | None = None) -> Unauthorized:
    """The error with the challenge of RFC 6750, section 3.

    :param error: ``invalid_token`` when a token was sent; nothing when there was none.
    """
    challenge = WWWAuthenticate("bearer", {"realm": "api"})
    if error:
        challenge["error"] = error
    return Unauthorized(detail, www_authenticate=challenge)


def attempted_account() -> str:
    """The key of the account that a sign-in names, however its address is spelled."""
    text = validation.peek("email")
    try:
        return hashed_key("account", normalize_email(text))
    except ValueError:  # such a name has no account
        return hashed_key("account", text[:MAX_EMAIL].strip().casefold())


def attempted_session() -> str:
    """The key of a session: all refresh tokens of one sign-in count together.

    A token that we did not sign is counted only by address: anybody who knows the id of a session
    could use up the limit of its owner.
    """
    return hashed_key("session", tokens.refresh_parts(validation.peek("refresh_token"))[0])
