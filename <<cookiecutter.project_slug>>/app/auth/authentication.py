"""Authentication by a password: an attacker guesses it, or learns who has an account.

Every failure has the same answer and costs the same, whether the account exists, is disabled, or
the attempt comes too early (:mod:`app.auth.throttling`). OWASP Authentication cheat sheet; ASVS
6.3.1, 6.3.8.
"""

from __future__ import annotations

# <% if cookiecutter.auth == "oidc" %>
import logging
# <% endif %>
from contextlib import suppress

from sqlalchemy import select
from werkzeug.exceptions import ServiceUnavailable

# <% if cookiecutter.auth == "oidc" %>
from app.auth import account_lock, throttling
from app.auth.models import LOCAL, User, normalize_email
# <% else %>
from app.auth import account_lock, lockout, session_lock, throttling
from app.auth.models import Session, User, normalize_email
# <% endif %>
from app.database import db
from app.secret import Secret
from app.security.logs import security_event
from app.security.passwords import hash_password, needs_rehash, verify_password


def authenticate(email: Secret, password: Secret) -> User | None:
    """The user with this address and password; None when there is none.

    Also None when the account is disabled, or when the attempt comes too early after many failures.
    In every case one password is hashed and one failure is counted, so that the time does not tell
    whether an account exists. The stored hash is renewed when the parameters have risen since.
    # <% if cookiecutter.auth != "oidc" %>
    Nobody is signed in yet: :mod:`app.auth.sign_in` asks for a second factor, if there is one.
    # <% endif %>
    """
    try:
        # <% if cookiecutter.auth == "oidc" %>
        # Not by e-mail: at the provider, anybody may claim the operator's address.
        known = User.issuer == LOCAL, User.subject == normalize_email(email)
        user = db.session.scalar(select(User).where(*known))
        # <% else %>
        user = db.session.scalar(select(User).where(User.email == normalize_email(email)))
        # <% endif %>
    except ValueError:
        user = None
    correct = _confirm(user, password) if user else _refuse(email, password)
    if user is None or not correct:
        security_event("authn_login_fail", account=user.id if user else None)
        return None
    if user.password_hash and needs_rehash(user.password_hash):
        with suppress(ServiceUnavailable):  # all slots are taken: a later sign-in renews it
            user.password_hash = hash_password(password)
    # <% if cookiecutter.auth == "oidc" %>
    security_event("authn_login_success", level=logging.INFO, account=user.id)
    # <% endif %>
    return user
# <% if cookiecutter.auth == "oidc" %>


def reauthenticate(user: User, password: Secret) -> bool:
    """Whether the signed-in user has entered the right password, from now until the commit.

    Also False when the attempt comes too early after many failures. If False, the failure is
    counted and committed.
    """
    return _confirm(user, password)
# <% else %>


def reauthenticate(session: Session, password: Secret) -> bool:
    """Whether the user of this session has entered the right password, from now until the commit.

    Also False when the attempt comes too early after many failures in this session: the thief of a
    session could guess the password without end. If False, the failure is counted and committed.
    """
    return _confirm(session.user, password, session)
# <% endif %>


# <% if cookiecutter.auth == "oidc" %>
def _confirm(user: User, password: Secret) -> bool:
    """Whether ``password`` is right and the account enabled, from now until the commit.

    If not, the failure is counted and committed.

    Hashing takes long. A new password, or the disabling of the account, may be stored meanwhile,
    and the old password would still start a session. So the row is locked and read again.
    """
# <% else %>
def _confirm(user: User, password: Secret, session: Session | None = None) -> bool:
    """Whether ``password`` is right and the account enabled, from now until the commit.

    If not, the failure is counted and committed. What was counted stays until the sign-in is
    complete: an attacker who has the password could otherwise guess second factors without end.

    :param session: the session that asks for the password again.

    Hashing takes long. A new password, or the disabling of the account, may be stored meanwhile,
    and the old password would still start a session. So the row is locked and read again.
    """
# <% endif %>
    verified = user.password_hash
    correct = verify_password(verified, password)
    if not account_lock.lock(user):
        return False
    if correct and user.password_hash != verified:
        correct = verify_password(user.password_hash, password)
    # <% if cookiecutter.auth == "oidc" %>
    if correct and user.disabled_at is None and not throttling.is_delayed(user):
        throttling.clear(user)
        return True
    throttling.count_failure(user)
    # <% else %>
    if session and session_lock.as_stored(session) is None:
        return False  # its owner has ended this session while the password was hashed
    if correct and user.disabled_at is None and not is_refused(user, session):
        return True
    count_failure(user, session)
    # <% endif %>
    db.session.commit()
    return False


# <% if cookiecutter.auth != "oidc" %>
def is_refused(user: User, session: Session | None = None) -> bool:
    """Whether an attempt comes too early after failures, or after too many of them.

    The caller has locked the account.

    :param session: the session that asks for a fresh proof: only its own failures decide, so that
        an attacker at the sign-in form does not block the owner.
    """
    asking = session and session_lock.as_stored(session)
    return throttling.is_locked_out(asking or user) or throttling.is_delayed(asking or user)


def count_failure(user: User, session: Session | None = None, *, checked: bool = False) -> None:
    """Count a wrong proof for the account, and for the session that asks for it again.

    The caller has locked the account and commits.

    :param checked: that the proof was checked, although it may have come early.
    """
    if throttling.count_failure(user, checked=checked):
        lockout.mail_link(user)
    if asking := session and session_lock.as_stored(session):
        throttling.count_failure(asking)


# <% endif %>
def _refuse(name: Secret, password: Secret) -> bool:
    """Do the same for an unknown account as for a wrong password."""
    verify_password(None, password)
    # <% if cookiecutter.auth == "oidc" %>
    throttling.count_failure(throttling.decoy(name))
    # <% else %>
    if throttling.count_failure(throttling.decoy(name)):
        lockout.mail_nobody(name)
    # <% endif %>
    db.session.commit()
    return False
