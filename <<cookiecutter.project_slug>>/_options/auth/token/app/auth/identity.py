"""The user who sends this request, found by the token in the Authorization header.

A token is accepted nowhere else: any page that a browser shows could send a cookie, and an address
with a token in it ends up in logs and histories (RFC 6750, sections 5.3 and 2.3).
"""

from __future__ import annotations

from datetime import datetime
from typing import cast

from flask import g, request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized

from app import validation
from app.auth import personal_tokens, session_lock, sessions, token_access, token_form, tokens
from app.auth.models import MAX_EMAIL, Session, User, normalize_email
from app.auth.schemas import TokenPair
from app.secret import Secret
from app.security.limit_keys import hashed_key


def identify() -> None:
    """Set ``g.user``, and ``g.session`` or ``g.personal_token``; None for all that is not there.

    A personal access token that does not open this route stands for nobody.
    """
    g.user = g.session = g.personal_token = None
    token = _bearer()
    if not token:
        return
    if token_form.is_personal(token):
        g.personal_token = personal_tokens.find(token)
        if g.personal_token and token_access.refusal(g.personal_token) is None:
            g.user = g.personal_token.user
        return
    g.session = tokens.session_of(token)
    if g.session is not None:
        g.user = g.session.user


def _bearer() -> Secret:
    """The token in the header; empty when there is none."""
    # By hand: Werkzeug's request.authorization fails on "Basic" with letters that are not ASCII.
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    return Secret(text if scheme.lower() == "bearer" else "")


def current_user() -> User:
    """The signed-in user of this request.

    :raises Unauthorized: on a public route, when nobody is signed in.
    """
    if g.get("user") is None:
        raise unauthorized("Please sign in.")
    return cast(User, g.user)


def current_session() -> Session:
    """The session this request belongs to; see :func:`current_user`.

    :raises Unauthorized: also for a personal access token, which has none.
    """
    current_user()
    if g.session is None:
        raise unauthorized(token_access.NOT_ACCOUNT)
    return cast(Session, g.session)


def locked_session() -> Session:
    """This session, whose account is locked until the commit: for what a fresh proof allowed.

    :raises Unauthorized: when it has just ended: its owner may have ended the session of a thief.
    """
    session = current_session()
    if not session_lock.lock(session):
        raise unauthorized("Please sign in.", "invalid_token")
    return session


def start_session(user: User, proof: str, proven_at: datetime | None) -> TokenPair:
    """Start a session for ``user`` and return its tokens. The caller commits.

    :param proof: how and when the user proved their identity; see :mod:`app.auth.step_up`.
    """
    session, token = sessions.start(
        user,
        address=request.remote_addr or "",
        device=request.user_agent.string,
        proof=proof,
        proven_at=proven_at,
    )
    return tokens.pair(session, token)


def prove(proof: str) -> TokenPair:
    """Record a fresh proof: the session goes on, with new tokens. The caller commits.

    :raises Unauthorized: when the session has ended while the proof was checked.
    """
    session = locked_session()
    return tokens.pair(session, sessions.renew(session, proof))


def unauthorized(detail: str, error: str | None = None, **attributes: str) -> Unauthorized:
    """The error with the challenge of RFC 6750, section 3.

    :param error: ``invalid_token`` when a token was sent; nothing when there was none.
    :param attributes: of the challenge, besides.
    """
    named: dict[str, str | None] = {"realm": "api", **attributes}
    if error:
        named["error"] = error
    return Unauthorized(detail, www_authenticate=WWWAuthenticate("bearer", named))


def attempted_account() -> str:
    """The key of the account that a sign-in names, however its address is spelled."""
    typed = Secret(validation.peek("email"))
    try:
        return hashed_key("account", normalize_email(typed).reveal())
    except ValueError:  # such a name has no account
        return hashed_key("account", typed.reveal()[:MAX_EMAIL].strip().casefold())


def attempted_session() -> str:
    """The key of a session: all refresh tokens of one sign-in count together.

    A token that we did not sign is counted only by address: anybody who knows the id of a session
    could use up the limit of its owner.
    """
    sent = Secret(validation.peek("refresh_token"))
    return hashed_key("session", tokens.refresh_parts(sent)[0])
