"""Where a browser keeps the tokens by which it is known; see :mod:`app.auth.devices`.

It is in a separate cookie, which stays after the session and after signing out: otherwise each
sign-in would be one from a new device. Several users of one browser have a token each.
"""

from __future__ import annotations

from datetime import timedelta

from flask import after_this_request, current_app, has_request_context, request
from werkzeug.wrappers import Response

from app.secret import Secret

# Without a sign-in for so long, a device is forgotten. RFC 6265bis section 5.5 lets browsers keep a
# cookie for at most so long.
KEEP = timedelta(days=400)
MOST = 5  # tokens in one browser, the last used first: a family may share it
LENGTH = 43  # characters of a token; others are not ours, and would make the cookie too long
SEPARATOR = "."  # no character of a token


def sent() -> list[Secret]:
    """The tokens that came with this request; none in a command."""
    cookie = request.cookies.get(_name(), "") if has_request_context() else ""
    ours = [Secret(token) for token in cookie.split(SEPARATOR) if len(token) == LENGTH]
    return ours[:MOST]


def give(token: Secret) -> None:
    """Let the browser keep this token, with the others that it has sent."""
    tokens = [token, *(other for other in sent() if other != token)][:MOST]
    value = SEPARATOR.join(it.reveal() for it in tokens)

    @after_this_request
    def set_cookie(response: Response) -> Response:
        production = current_app.config["SETTINGS"].production
        response.set_cookie(
            _name(), value, KEEP, path="/", secure=production, httponly=True, samesite="Lax"
        )
        return response


def _name() -> str:
    """With the prefix that needs HTTPS, as the session cookie; see :mod:`app.security.cookies`."""
    return "__Host-device" if current_app.config["SETTINGS"].production else "device"
