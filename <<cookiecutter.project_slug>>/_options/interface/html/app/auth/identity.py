"""Who sends this request: the user whose session the cookie names."""

from __future__ import annotations

from typing import cast

from flask import g, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import Unauthorized
from werkzeug.wrappers import Response

from app.auth import accounts, sessions
from app.auth.models import MAX_EMAIL, Session, User, normalize_email
from app.database import db
from app.security.redirects import own_path

SESSION_ID = "sid"  # the entry of the cookie that names the session


def identify() -> None:
    """Set ``g.user`` and ``g.session``, or None for both."""
    g.user = g.session = None
    if (token := session.get(SESSION_ID)) is None:
        return
    g.session = sessions.find(sessions.BY_TOKEN_HASH, sessions.hash_token(str(token)))
    if g.session is None:
        session.clear()  # the CSRF secret of an ended session ends with it
    else:
        g.user = g.session.user


def current_user() -> User:
    """The signed-in user of this request.

    :raises Unauthorized: on a public route that nobody is signed in to.
    """
    if g.get("user") is None:
        raise Unauthorized("Please sign in.")
    return cast(User, g.user)


def current_session() -> Session:
    """The session this request belongs to; see :func:`current_user`."""
    current_user()
    return cast(Session, g.session)


def remember(user: User) -> Session:
    """Start a session for ``user`` in a fresh cookie. The caller commits.

    Whatever the browser brought along is dropped: a planted cookie (session fixation) is worth
    nothing after sign-in.
    """
    session.clear()
    started, session[SESSION_ID] = sessions.start(
        user, address=request.remote_addr or "", device=request.user_agent.string
    )
    return started


def sign_in(email: str, password: str) -> bool:
    """Start a session for whoever has this address and password."""
    user = accounts.authenticate(email, password)
    if user is None:
        return False
    remember(user)
    db.session.commit()
    return True


def forget(target: str) -> Response:
    """Sign out here and go to ``target``; the browser forgets everything it kept of this site."""
    if g.session is not None:
        sessions.end(g.session)
        db.session.commit()
    session.clear()
    response = redirect(target)
    response.headers["Clear-Site-Data"] = '"cache", "cookies", "storage"'
    return response


def challenge() -> ResponseReturnValue:
    """What an anonymous request to a private route gets: the sign-in page, or 401.

    Only a page that can be asked for again is remembered as the place to return to.
    """
    if request.method in ("GET", "HEAD") and request.accept_mimetypes.accept_html:
        return redirect(url_for("auth.login", next=own_path(request.full_path.rstrip("?"))))
    raise Unauthorized("Please sign in.")


def attempted_account() -> str:
    """The account that a sign-in form names, in the form in which it would be found."""
    text = request.form.get("email", "")
    try:
        return normalize_email(text)
    except ValueError:
        return text[:MAX_EMAIL].strip().casefold()  # of no account, whatever follows
