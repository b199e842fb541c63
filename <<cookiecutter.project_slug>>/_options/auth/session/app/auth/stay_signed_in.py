"""Stay signed in on this device: the user's choice at sign-in, where ``STAY_SIGNED_IN`` offers it.

The attack: somebody uses a browser that its user has left, and is signed in. So this is off unless
the operator offers it, and the user must tick a box. Such a session may be idle for longer, and its
cookie stays when the browser is closed; everything else ends it like any other session.
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


def granted(chosen: bool | None) -> bool | None:
    """What a session says about it (``stays``): True if its user chose it and may, else None."""
    return True if chosen and offered() else None


def keep(started: Session) -> None:
    """Keep the cookie of this session when the browser is closed, if the session stays.

    The end of the cookie is the absolute timeout of the session; sending it again does not move it.
    """
    if started.stays:
        session[UNTIL] = int((started.created_at + lifetime().absolute).timestamp())
