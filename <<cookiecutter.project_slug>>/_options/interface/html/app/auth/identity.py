"""The user who sends this request, found by the session that the cookie names."""

from __future__ import annotations

from datetime import datetime
from typing import cast

from flask import g, redirect, request, session
from werkzeug.exceptions import Unauthorized
from werkzeug.wrappers import Response

from app.auth import session_lock, sessions
from app.auth.models import MAX_EMAIL, Session, User, normalize_email
from app.database import db
from app.secret import Secret, hash_secret
from app.security.limit_keys import hashed_key

SESSION_ID = "sid"  # the entry of the cookie that names the session
EVERYTHING = '"cache", "cookies", "storage"'  # that a browser has stored of this site


def identify() -> None:
    """Set ``g.user`` and ``g.session``, or None for both."""
    g.user = g.session = None
    if (token := session.get(SESSION_ID)) is None:
        return
    g.session = sessions.find(hash_secret(Secret(str(token))))
    if g.session is None:
        session.clear()  # the CSRF secret of an ended session ends with it
    else:
        g.user = g.session.user


def current_user() -> User:
    """The signed-in user of this request.

    :raises Unauthorized: on a public route, when nobody is signed in.
    """
    if g.get("user") is None:
        raise Unauthorized("Please sign in.")
    return cast(User, g.user)


def current_session() -> Session:
    """The session this request belongs to; see :func:`current_user`."""
    current_user()
    return cast(Session, g.session)


def locked_session() -> Session:
    """This session, whose account is locked until the commit: for what a fresh proof allowed.

    :raises Unauthorized: when it has just ended: its owner may have ended the session of a thief.
    """
    if not session_lock.lock(current_session()):
        raise Unauthorized("Please sign in.")
    return current_session()


def leave() -> None:
    """End the session of this browser, if it has one: another begins (ASVS 7.2.4).

    A thief who copied its cookie must not keep a session that the user believes to be over.
    The caller commits, and clears the cookie after that.
    """
    if g.session is not None:
        sessions.end(g.session)
        g.user = g.session = None


def start_session(user: User, proof: str, proven_at: datetime | None, **more: object) -> Session:
    """Start a session for ``user``, and commit; then the browser gets it in a fresh cookie.

    If the commit fails, the session before is still valid, and its cookie stays. Otherwise nothing
    of the old cookie does: a planted one (session fixation) is worthless after sign-in.

    :param proof: how and when the user proved their identity; see :mod:`app.auth.step_up`.
    :param more: further columns of the session.
    """
    started, token = sessions.start(
        user,
        address=request.remote_addr or "",
        device=request.user_agent.string,
        proof=proof,
        proven_at=proven_at,
        **more,
    )
    db.session.commit()
    session.clear()
    session[SESSION_ID] = token.reveal()
    return started


def prove(proof: str, proven_at: datetime | None = None) -> None:
    """Record a fresh proof, and commit: the session continues, under a new token.

    The browser gets it after the commit: if that fails, the old one is still valid.

    :param proven_at: when it was given; by default now.
    :raises Unauthorized: when the session has ended while the proof was checked.
    """
    token = sessions.renew(locked_session(), proof, proven_at)
    db.session.commit()
    session[SESSION_ID] = token.reveal()


def sign_out(target: str, clear: str = EVERYTHING) -> Response:
    """End this session and go to ``target``; see :func:`signed_out`."""
    if g.session is not None:
        sessions.end(g.session)
        db.session.commit()
    return signed_out(redirect(target), clear)


def signed_out(response: Response, clear: str = EVERYTHING) -> Response:
    """This response, with which the browser deletes what it has stored of this site.

    :param clear: of what kind, as ``Clear-Site-Data`` names it. The session ends in any case.
    """
    session.clear()
    response.headers["Clear-Site-Data"] = clear
    return response


def attempted_account() -> str:
    """The key of the account that a sign-in form names, however its address is spelled."""
    typed = Secret(request.form.get("email", ""))
    try:
        return hashed_key("account", normalize_email(typed).reveal())
    except ValueError:  # such a name has no account
        return hashed_key("account", typed.reveal()[:MAX_EMAIL].strip().casefold())
