"""Stay signed in on this device: the user's choice at sign-in, where ``STAY_SIGNED_IN`` offers it.

The attack: whoever sits down at a browser that somebody has left is signed in. So it is off unless
the operator offers it, and nobody stays who has not ticked the box. Such a session is longer idle
before it ends, and its cookie outlives the browser; everything else ends it as any other.
ASVS 7.1.1, 7.3.1, 7.3.2.
"""

from __future__ import annotations

from flask import session

from app.auth.models import Session
from app.security.cookies import UNTIL
from app.session_settings import lifetime

ENTRY = "stay"  # of the cookie, between the password and the second factor


def offered() -> bool:
    """Whether users may choose to stay signed in."""
    return lifetime().stay is not None


def remember(chosen: bool) -> None:
    """Keep the choice, made with the password, until the second factor. In a fresh cookie."""
    if chosen:
        session[ENTRY] = True


def remembered() -> bool:
    """The choice that came with the password."""
    return bool(session.get(ENTRY))


def keep(started: Session, chosen: bool | None) -> None:
    """Let this session of this browser stay, if its user chose that. The caller commits.

    The cookie lasts as long as the session may, from its start: to send it again adds nothing.
    """
    if chosen and offered():
        started.stays = True
        session[UNTIL] = int((started.created_at + lifetime().absolute).timestamp())
