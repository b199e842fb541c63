"""Sign-up, a forgotten password and a new address: the mailbox is proven first.

An attacker asks which addresses have an account, opens one under the address of somebody else
before that person does (pre-hijacking), or resets the password of another. So every request
for a mail gets the same answer, and takes the same time, whether there is an account or not: only
the mail says what happened. No account and no password is stored before the mailbox is
proven.
OWASP Forgot Password cheat sheet; ASVS 6.3.8, 6.4.3.
"""

from __future__ import annotations

import logging

from flask import abort, current_app
from sqlalchemy import select

from app.auth import (
    account_links,
    accounts,
    devices,
    link_issuance,
    links,
    notices,
    revocation,
    throttling,
)
from app.auth.models import User
from app.database import db
from app.mail import outbox
from app.secret import Secret
from app.security.logs import security_event
from app.security.passwords import hash_password


def require_open_sign_up() -> None:
    """Refuse a request for an account, whatever the address, unless ``SIGN_UP=open``.

    :raises werkzeug.exceptions.Forbidden: which says so.
    """
    match current_app.config["SETTINGS"].sign_up:
        case "invite":
            abort(403, "You need an invitation to open an account. Ask the operator for one.")
        case "closed":
            abort(403, "Sign-up is closed.")


def request_sign_up(email: Secret) -> None:
    """Mail a link to open an account, or say that there is one already. The caller commits."""
    require_open_sign_up()
    known = _find(email) is not None
    if token := link_issuance.issue("confirm", email):
        kind = "known" if known else "register"
        outbox.add(kind, email, {"address": notices.client(), **links.shown("confirm", token)})


def sign_up(token: Secret, password: Secret) -> User | None:
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


def request_reset(email: Secret) -> None:
    """Mail a link to set a new password, if there is such an account. The caller commits."""
    user = _find(email)
    exists = user is not None and user.disabled_at is None
    if token := link_issuance.issue("reset", email):
        values = {"address": notices.client(), **links.shown("reset", token)}
        outbox.add("reset", email, values, deliver=exists)


def reset(token: Secret, password: Secret) -> User | None:
    """Set a new password by a link and end every session; None when the link is not valid.

    The caller commits.
    """
    link = links.find("reset", token)
    if link is None:
        return None
    stored = hash_password(password)  # before rows are locked: it takes long
    user = _find(link.email)
    # The account first: so do all others, and two requests do not wait for each other.
    if user is None or not throttling.lock(user) or not links.use(link):
        return None
    if user.disabled_at is not None or user.email != link.email:
        return None
    user.password_hash = stored
    throttling.clear(user)
    db.session.flush()
    revocation.end_all(user)
    account_links.end(user, "email")
    notices.send("password", user)
    security_event("authn_password_change", level=logging.INFO, account=user.id, by="mail")
    return user


def _find(email: Secret) -> User | None:
    return db.session.scalar(select(User).where(User.email == email))
