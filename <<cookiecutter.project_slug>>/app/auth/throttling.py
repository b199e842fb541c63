"""Throttling: somebody guesses the password of one account, slowly and for ever.

The limits of :mod:`app.security.rate_limits` let 10 attempts in 5 minutes pass, 2,880 a day. Here
failures in a row are counted in the database: after ten, the next attempt is looked at after 30
seconds, then after twice as long each time, up to 15 minutes: at most 96 guesses a day. An attempt
that comes earlier gets the same answer as a wrong password. NIST SP 800-63B-4 section 3.2.2 allows
100 in a row; then an event says so. ASVS 6.3.1.

An address without an account has a decoy: the same is read and written, so that the time does not
tell who has an account.
"""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256
from typing import Any, cast

from sqlalchemy import CursorResult, update
from sqlalchemy.exc import IntegrityError

from app.auth.models import Attempts, Decoy, User
from app.database import db, now
from app.security.logs import security_event

FREE = 10  # failures in a row without a delay, as many as the limit lets pass in 5 minutes
FIRST = timedelta(seconds=30)  # the first delay; SP 800-63B-4 section 3.2.2: "30 seconds up to"
LONGEST = timedelta(minutes=15)  # ours: 96 guesses a day, and an owner who comes back today
ALARM = 100  # failures in a row, and each further hundred: SP 800-63B-4 section 3.2.2
DECOYS = 256  # rows that stand for all addresses without an account; ours
HINT = "After many failed attempts, wait 15 minutes."  # for everybody, so it tells nothing


def delay(failures: int) -> timedelta:
    """How long an attempt is refused after so many failures in a row."""
    if failures < FREE:
        return timedelta(0)
    return min(FIRST * int(2 ** min(failures - FREE, 10)), LONGEST)


def is_delayed(account: Attempts) -> bool:
    """Whether an attempt comes too early to be looked at."""
    return account.failed_at is not None and now() < account.failed_at + delay(account.failures)


def count_failure(account: Attempts) -> None:
    """Count an attempt that failed, or came too early. The caller has the row locked, and commits.

    One that came too early does not make the delay longer: a guesser could keep the owner out.
    """
    if is_delayed(account):
        account.refusals += 1
        return
    account.failures += 1
    account.failed_at = now()
    if isinstance(account, User) and account.failures % ALARM == 0:
        security_event("authn_login_fail_max", account=account.id, failures=account.failures)


def clear(account: Attempts) -> None:
    """Forget the failures: after a success, or at an operator's word. The caller commits."""
    account.failures = account.refusals = 0
    account.failed_at = None


def decoy(name: str) -> Decoy:
    """The locked row that takes the place of the account ``name``, which is not there."""
    number = sha256(name.encode("utf-8", "surrogatepass")).digest()[0] % DECOYS
    if not _lock(number):
        db.session.add(Decoy(id=number))
        try:
            db.session.flush()
        except IntegrityError:  # another request made it at this very moment
            db.session.rollback()
            _lock(number)
    return db.session.get_one(Decoy, number, populate_existing=True)


def _lock(number: int) -> bool:
    """Lock a decoy by a write that changes nothing, as accounts.hold does; whether it is there."""
    lock = update(Decoy).where(Decoy.id == number).values(failures=Decoy.failures)
    found = db.session.execute(lock, execution_options={"synchronize_session": False})
    return cast(CursorResult[Any], found).rowcount > 0
