"""Throttling: an attacker guesses the password of one account, slowly and without end.

The limits of :mod:`app.security.rate_limits` allow 10 attempts in 5 minutes, 2,880 a day. Here the
database counts failures in a row: after ten, the next attempt is refused for 30 seconds, then for
twice as long each time, up to 15 minutes: at most 96 guesses a day. An attempt that comes too early
# <% if cookiecutter.auth == "oidc" %>
gets the same answer as a wrong password. NIST SP 800-63B-4 section 3.2.2 allows 100 in a row; then
an event is logged. ASVS 6.3.1.
# <% else %>
gets the same answer as a wrong password. NIST SP 800-63B-4 section 3.2.2 allows 100 in a row; then
an event is logged, and :mod:`app.auth.lockout` asks for the mailbox. ASVS 6.3.1.
# <% endif %>

For an address without an account, a decoy row is read and written in the same way, so that the time
does not tell whether an account exists.
"""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256

from app.auth import account_lock
from app.auth.models import Attempts, Decoy, User
from app.backoff import backoff
from app.database import db, now
from app.database.rows import lock_or_add
from app.secret import Secret
from app.security.logs import security_event

FREE = 10  # failures in a row without a delay, as many as the limit allows in 5 minutes
FIRST = timedelta(seconds=30)  # the first delay; SP 800-63B-4 section 3.2.2: "30 seconds up to"
LONGEST = timedelta(minutes=15)  # 96 guesses a day; a longer delay keeps the owner out longer
MAX_FAILURES = 100  # failures in a row, and each further hundred: SP 800-63B-4 section 3.2.2
DECOYS = 256  # rows for all addresses without an account; with few, strangers share delays
# Shown after every failure, so it does not tell whether an account exists.
# <% if cookiecutter.auth == "oidc" %>
HINT = "After many failed attempts, wait 15 minutes."
# <% else %>
HINT = (
    "After many failed attempts, wait 15 minutes. After 100 in a row, open the link that we mail"
    " to the owner of the account, or set a new password."
)
# Shown where the failures of the session decide, see app.auth.authentication.is_refused.
SESSION_HINT = (
    "After many failed attempts, wait 15 minutes. After 100 in a row, sign out and sign in again."
)
# <% endif %>


def delay(failures: int) -> timedelta:
    """How long an attempt is refused after so many failures in a row."""
    if failures < FREE:
        return timedelta(0)
    return backoff(FIRST, failures - FREE, LONGEST)


def is_delayed(account: Attempts) -> bool:
    """Whether an attempt comes too early; then it is refused, right or wrong."""
    return account.failed_at is not None and now() < account.failed_at + delay(account.failures)


# <% if cookiecutter.auth != "oidc" %>
def is_locked_out(account: Attempts) -> bool:
    """Whether the account is locked out: waiting does not end that."""
    return account.failures >= MAX_FAILURES


# <% endif %>
def count_failure(account: Attempts, *, checked: bool = False) -> bool:
    """Count an attempt that failed or came too early. The caller has locked the row and commits.

    An early attempt does not extend the delay: an attacker could lock the owner out.

    :param checked: that the attempt was checked, although it came early: it is a failure.
    :returns: whether it completes a hundred failures in a row.
    """
    if is_delayed(account) and not checked:
        account.refusals += 1
        return False
    account.failures += 1
    account.failed_at = now()
    if account.failures % MAX_FAILURES:
        return False
    if isinstance(account, User):
        security_event("authn_login_fail_max", account=account.id, failures=account.failures)
    return True


def clear(account: Attempts) -> None:
    """Reset the failures, after a success or by an operator. The caller commits."""
    account.failures = account.refusals = 0
    account.failed_at = None


def decoy(name: Secret) -> Decoy:
    """The locked row that stands for the unknown account ``name``."""
    number = sha256(name.encoded()).digest()[0] % DECOYS
    lock_or_add(account_lock.statement(Decoy, number), lambda: Decoy(id=number))
    return db.session.get_one(Decoy, number, populate_existing=True)
