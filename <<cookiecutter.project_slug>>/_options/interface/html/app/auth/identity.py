"""The user who sends this request, found by the session that the cookie names."""

from __future__ import annotations

from typing import cast

from flask import g, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import Unauthorized
from werkzeug.wrappers import Response

from app.auth import accounts, sessions
from app.auth.models import MAX_EMAIL, Session, User, normalize_email
from app.database import db
from app.secret import Secret
from app.security.kept_forms import kept_fields, send_again
from app.security.limit_keys import hashed_key
from app.security.redirects import own_path

SESSION_ID = "sid"  # the entry of the cookie that names the session
EVERYTHING = '"cache", "cookies", "storage"'  # that a browser has stored of this site


def identify() -> None:
    """Set ``g.user`` and ``g.session``, or None for both."""
    g.user = g.session = None
    if (token := session.get(SESSION_ID)) is None:
        return
    g.session = sessions.find(sessions.hash_token(Secret(str(token))))
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


def start_session(user: User) -> Session:
    """Start a session for ``user`` in a fresh cookie. The caller commits.

    Nothing of the old cookie stays: a planted one (session fixation) is worthless after sign-in.
    """
    session.clear()
    started, token = sessions.start(
        user, address=request.remote_addr or "", device=request.user_agent.string
    )
    session[SESSION_ID] = token.reveal()
    return started


def sign_in(email: str, password: str) -> bool:
    """Start a session for the user with this address and password; False when there is none."""
    user = accounts.authenticate(email, password)
    if user is None:
        return False
    start_session(user)
    db.session.commit()
    return True


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


def challenge() -> ResponseReturnValue:
    """Answer an anonymous request for a private route: with the sign-in page, or 401.

    Sign-in returns to this address only when it is a page that can be requested again. The text of
    a form is shown again.
    """
    if request.method in ("GET", "HEAD") and request.accept_mimetypes.accept_html:
        return redirect(url_for("auth.login", next=own_path(request.full_path.rstrip("?"))))
    if fields := kept_fields():
        return send_again(fields, signed_in=False)
    raise Unauthorized("Please sign in.")


def attempted_account() -> str:
    """The key of the account that a sign-in form names, however its address is spelled."""
    text = request.form.get("email", "")
    try:
        return hashed_key("account", normalize_email(text))
    except ValueError:  # such a name has no account
        return hashed_key("account", text[:MAX_EMAIL].strip().casefold())
