"""Lockout: an attacker guesses for months, 96 times a day, and finally guesses right.

After 100 wrong proofs in a row, waiting is not enough: the service refuses the password of the
account, even the right one, with the answer for a wrong one, until the owner opens the link in a
mail or sets a new password. It sends the mail with the hundredth failure, and again with each
further hundred, about once a day. Open sessions and passkeys still work, because nobody can guess a
passkey; a sign-in by a passkey alone proves no password, so it does not unlock the account. For an
address without an account it writes the same rows, and sends nothing. NIST SP 800-63B-4 section
3.2.2; ASVS 6.3.1.
"""

from __future__ import annotations

import logging

from app.auth import account_links, link_issuance, links, notices, throttling
from app.auth.models import User, normalize_email
from app.mail import outbox
from app.secret import Secret
from app.security.logs import security_event

KIND = "unlock"  # of the mail


def mail_link(user: User) -> None:
    """Mail the link that lets the owner sign in again. The caller has locked the account, commits.

    A disabled account gets none: its link could not help.
    """
    token = link_issuance.issue_at_once("unlock", user.email, user)
    _write(user.email, token, deliver=user.disabled_at is None)


def mail_nobody(name: Secret) -> None:
    """Do the same for an unknown account, but send nothing. The caller commits."""
    try:
        email = normalize_email(name)
    except ValueError:  # such a name has no account
        return
    _write(email, link_issuance.issue_at_once("unlock", email), deliver=False)


def unlock(token: Secret) -> User | None:
    """Reset the failures of an account, by the link of a mail; None when it is not valid.

    The caller commits.
    """
    user = account_links.use("unlock", token)
    if user is None:
        return None
    throttling.clear(user)
    security_event("authn_login_unlock", level=logging.INFO, account=user.id, by="mail")
    return user


def _write(email: Secret, token: Secret, *, deliver: bool) -> None:
    values = {"address": notices.client(), **links.shown("unlock", token)}
    outbox.add(KIND, email, values, deliver=deliver)
