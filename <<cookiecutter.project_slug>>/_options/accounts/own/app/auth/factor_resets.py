"""Reset of second factors: an attacker talks the operator into removing those of somebody else.

A user who has lost phone, passkeys and recovery codes needs the operator, who cannot see who is
asking. So nothing is removed for three days, nor before the mail server has had the mail for a day.
That mail informs the owner at once, who can cancel with the link in it, or with one click in any
open session. After that time, the next sign-in with the right password removes everything, in its
first step, and ends all sessions. OWASP Multifactor Authentication cheat sheet;
ASVS 6.4.3, 6.4.4, 6.3.7, 7.4.3.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from app.auth import (
    account_links,
    account_lock,
    link_issuance,
    links,
    notices,
    passkeys,
    recovery_codes,
    revocation,
    second_factors,
    totp,
)
from app.auth.models import User
from app.database import db, now
from app.mail import outbox
from app.secret import Secret
from app.security.logs import security_event

DELAY = timedelta(days=3)  # an owner who is away for a weekend still reads the mail in time
LAPSE = timedelta(days=4)  # after the delay: as long as the link to cancel it is valid, see links
# Who cancels it. A user who uses a second factor still has one, so that cancels it, too.
OPERATOR, SESSION = "an operator", "somebody who is signed in"
MAIL, FACTOR = "somebody who used the link in the mail", "somebody who used a second factor"
ADDRESS = "a change of address"  # the mail about the reset went to the mailbox of before
KIND = "factors_end"


def begin(user: User) -> datetime:
    """Begin a reset of the second factors, and mail the owner; a pending reset stays as it is.

    The caller has locked the account and commits.

    :returns: from when on the next sign-in removes them, for :data:`LAPSE`.
    """
    end = due(user)
    if end is None:
        user.factors_end_at = end = now() + DELAY
        db.session.flush()
        token = link_issuance.issue_at_once("keep", user.email, user)
        values = {"due": end, "last": end + LAPSE, **links.shown("keep", token)}
        outbox.add(KIND, user.email, values)
        security_event("authn_factors_reset_begun", account=user.id, by=OPERATOR)
    return end


def due(user: User) -> datetime | None:
    """From when on a sign-in removes the second factors; None when no reset is pending.

    A reset that was not used in time has lapsed: it would wait for a thief of the password.
    """
    end = user.factors_end_at
    return None if end is None or end + LAPSE < now() else end


def remove_now(user: User) -> bool:
    """Remove the second factors of a disabled account at once; False when there are none.

    A thief who has set them up cancels every delay. The caller has locked the account and commits.
    """
    user.factors_end_at = now()
    return carry_out(user, by=OPERATOR)


def cancel(user: User, by: str, to: Secret | None = None) -> bool:
    """Keep the second factors, and tell the owner; False when nothing was pending.

    The caller has locked the account and commits.

    :param by: who has cancelled, for mail and log.
    :param to: the address to tell, where it is not the one of now.
    """
    pending = due(user) is not None
    user.factors_end_at = None
    if not pending:
        return False  # also when it has lapsed: nobody has cancelled it
    account_links.end(user, "keep")
    outbox.add("factors_kept", to or user.email, {"address": notices.client(), "by": by})
    security_event("authn_factors_reset_cancelled", account=user.id, by=by)
    return True


def cancel_by_session(user: User) -> bool:
    """The same for the signed-in user. The caller commits."""
    return account_lock.lock(user) and cancel(user, SESSION)


def cancel_by_link(token: Secret) -> bool:
    """The same by the link of the mail, once. The caller commits."""
    user = account_links.use("keep", token)
    return user is not None and cancel(user, MAIL)


def carry_out(user: User, by: str = "") -> bool:
    """Remove the second factors whose time is over, and end all sessions; whether it was so.

    Call it after the right password, with the account locked. The caller commits.

    :param by: who removes them without a sign-in, for the mail.
    """
    end = due(user)
    if end is None or end > now():
        return False
    if not by and outbox.may_be_unread(KIND, user.email, end - DELAY):
        return False  # the owner has not had a day to read it: the mail server was down
    user.factors_end_at = None
    had = second_factors.of(user)
    totp.remove(user)
    passkeys.remove_all(user)
    recovery_codes.remove(user)
    account_links.end(user, "keep")
    db.session.flush()
    if had:  # not when the user has removed them in the meantime
        revocation.end_all(user)
        notices.send("factors_removed", user, by=by)
        security_event("authn_factors_reset", account=user.id)
    return bool(had)
