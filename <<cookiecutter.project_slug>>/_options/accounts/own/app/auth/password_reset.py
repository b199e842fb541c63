"""Password reset: an attacker sets the password of somebody else, or asks who has an account.

So whoever sets a password proves the mailbox first, and every request for a mail gets the same
answer, and takes the same time, whether there is an account or not: nothing is mailed without one.
OWASP Forgot Password cheat sheet; ASVS 6.3.8, 6.4.3.
"""

from __future__ import annotations

import logging

from app.auth import (
    account_links,
    account_lock,
    accounts,
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


def request_link(email: Secret) -> None:
    """Mail a link to set a new password, if there is such an account. The caller commits."""
    user = accounts.find(email)
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
    user = accounts.find(link.email)
    # The account first: so do all others, and two requests do not wait for each other.
    if user is None or not account_lock.lock(user) or not links.use(link):
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
