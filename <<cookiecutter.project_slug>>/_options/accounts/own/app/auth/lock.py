"""Lock: an attacker goes on guessing for months, 96 times a day, and one day guesses right.

After 100 wrong proofs in a row, time alone opens the account no more: a sign-in with its password
is refused, right or wrong, with the answer of a wrong one, until the owner opens the link in a mail
or sets a new password. The mail goes out with the hundredth failure, and again with each further
hundred, about once a day. Running sessions go on, and so do passkeys, which nobody guesses; a
sign-in by a passkey alone proves no password, so it opens nothing. For an address without an
account the same rows are written, and nothing is sent. NIST SP 800-63B-4 section 3.2.2; ASVS 6.3.1.
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

    A disabled account gets none: the link would not let anybody in.
    """
    token = link_issuance.issue_at_once("unlock", user.email, user)
    _write(user.email, token, deliver=user.disabled_at is None)


def mail_nobody(name: str) -> None:
    """Do the same for an unknown account, but send nothing. The caller commits."""
    try:
        email = normalize_email(name)
    except ValueError:  # such a name has no account
        return
    _write(email, link_issuance.issue_at_once("unlock", email), deliver=False)


def unlock(token: Secret) -> User | None:
    """Forget the failures of an account, by the link of a mail; None when it does not count.

    The caller commits.
    """
    user = account_links.use("unlock", token)
    if user is None:
        return None
    throttling.clear(user)
    security_event("authn_login_unlock", level=logging.INFO, account=user.id, by="mail")
    return user


def _write(email: str, token: Secret, *, deliver: bool) -> None:
    values = {"address": notices.client(), **links.shown("unlock", token)}
    outbox.add(KIND, email, values, deliver=deliver)
