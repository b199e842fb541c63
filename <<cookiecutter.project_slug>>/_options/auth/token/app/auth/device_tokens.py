"""How a client sends the token by which its device is known; see :mod:`app.auth.devices`.

In the field ``device_token``, of what signs in or sets a password. The client gets it in the answer
and keeps it beyond the sign-in: otherwise each one would be from a new device.
"""

from __future__ import annotations

from datetime import timedelta

from flask import g, has_request_context

from app import validation
from app.secret import Secret

# Without a sign-in, a device is forgotten: as where it has a cookie, which RFC 6265bis section 5.5
# lets browsers keep for so long.
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
