"""Where a browser keeps the ticket of a step that has begun; see :mod:`app.auth.tickets`.

In the signed cookie, for this browser alone. A ticket signs nobody in: an attacker who copies it
still needs the second factor.
"""

from __future__ import annotations

from flask import session

from app.secret import Secret

ENTRY = "ticket"


def keep(token: Secret) -> None:
    """Let the browser keep this ticket in place of the one before."""
    session[ENTRY] = token.reveal()


def kept() -> Secret:
    """The ticket that came with this request; empty when there is none."""
    return Secret(str(session.get(ENTRY, "")))


def drop() -> None:
    """Let the browser forget its ticket."""
    session.pop(ENTRY, None)
