"""Sign-up: an attacker opens an account under the address of somebody else, or asks who has one.

With the first, the attacker waits until that person uses the account (pre-hijacking). So no account
and no password is stored before the mailbox is proven, and every request gets the same answer, and
takes the same time, whether there is an account or not: only the mail says what happened.
OWASP Authentication cheat sheet; ASVS 6.3.8.
"""

from __future__ import annotations

import logging

from flask import abort, current_app

from app.auth import accounts, devices, link_issuance, links, notices
from app.auth.models import User
from app.mail import outbox
from app.secret import Secret
from app.security.logs import security_event


def require_open() -> None:
    """Refuse a request for an account, whatever the address, unless ``SIGN_UP=open``.

    :raises werkzeug.exceptions.Forbidden: which says so.
    """
    match current_app.config["SETTINGS"].sign_up:
        case "invite":
            abort(403, "You need an invitation to open an account. Ask the operator for one.")
        case "closed":
            abort(403, "Sign-up is closed.")


def request_link(email: Secret) -> None:
    """Mail a link to open an account, or say that there is one already. The caller commits."""
    require_open()
    known = accounts.find(email) is not None
    if token := link_issuance.issue("confirm", email):
        kind = "known" if known else "register"
        outbox.add(kind, email, {"address": notices.client(), **links.shown("confirm", token)})


def open_account(token: Secret, password: Secret) -> User | None:
    """Open the account that a link is for; None when it is not valid (any more).

    The caller commits.
    """
    link = links.find("confirm", token)
    if link is None:
        return None
    user = accounts.register(link.email, password)  # first: no row is locked while it hashes
    if user is None or not links.use(link):
        return None
    devices.remember(user)  # the first sign-in on it needs no notice
    security_event("user_created", level=logging.INFO, account=user.id)
    return user
