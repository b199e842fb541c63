"""Guesses at codes: an attacker who has the password and the mailbox tries all six digits.

A new password, or the link of :mod:`app.auth.lockout`, resets the failures, so an attacker who
reads the mailbox could guess without end. So wrong codes of the second step are counted separately.
After 100 in a row, the service refuses every code of the app at sign-in, even a right one. The
password with a recovery code or a passkey, which nobody can guess, still completes a sign-in, and
resets the count. A right code in an open session, or an operator, does the same. A mail informs the
owner. NIST SP 800-63B-4 section 3.2.2; ASVS 6.3.1, 6.5.5.
"""

from __future__ import annotations

from sqlalchemy import update

from app.auth import notices, totp
from app.auth.models import User
from app.auth.totp import AuthenticatorApp
from app.database.rows import change
from app.security.logs import security_event

MAX_WRONG = 100  # in a row; SP 800-63B-4 section 3.2.2
# Shown after the right password alone.
HINT = f"After {MAX_WRONG} wrong codes in a row, use a recovery code or a passkey instead."


def are_used_up(user: User) -> bool:
    """Whether so many codes were wrong that none of the app completes a sign-in any more."""
    app = totp.find(user)
    return app is not None and app.wrong_codes >= MAX_WRONG


def count(user: User) -> None:
    """Count a wrong code of the second step, and mail the owner when it reaches the maximum.

    The caller has locked the account and commits.
    """
    theirs = AuthenticatorApp.user_id == user.id, AuthenticatorApp.wrong_codes < MAX_WRONG
    more = {"wrong_codes": AuthenticatorApp.wrong_codes + 1}
    counted = change(update(AuthenticatorApp).where(*theirs).values(more), totp.OF_ALL)
    if counted and are_used_up(user):
        notices.send("codes_end", user)
        security_event("authn_login_fail_max", account=user.id, failures=MAX_WRONG, reason="codes")


def forget(user: User) -> None:
    """Accept codes of the app again. The caller has locked the account and commits."""
    theirs = AuthenticatorApp.user_id == user.id
    change(update(AuthenticatorApp).where(theirs).values(wrong_codes=0), totp.OF_ALL)
