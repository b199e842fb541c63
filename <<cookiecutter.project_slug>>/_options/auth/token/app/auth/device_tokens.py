"""How a client sends the token by which its device is known; see :mod:`app.auth.devices`.

In the field ``device_token`` of requests that sign in or set a password. The client gets it in the
answer and keeps it after signing out: otherwise each sign-in would be from a new device.
"""

from __future__ import annotations

from datetime import timedelta

from flask import g, has_request_context

from app import validation
from app.secret import Secret

# Without a sign-in for so long, a device is forgotten. The same as with a cookie: RFC 6265bis
# section 5.5 lets browsers keep one for at most so long.
KEEP = timedelta(days=400)


def sent() -> list[Secret]:
    """The token that came with this request; none in a command."""
    token = validation.peek("device_token") if has_request_context() else ""
    return [Secret(token)] if token else []


def give(token: Secret) -> None:
    """Send this token in the answer, unless the client has sent it itself."""
    g.device_token = None if token in sent() else token.reveal()


def given() -> str | None:
    """The token for the answer to this request, if the client has to keep a new one."""
    token: str | None = g.get("device_token")
    return token
