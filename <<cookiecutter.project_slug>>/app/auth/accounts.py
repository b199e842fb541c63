"""Operations on accounts. The caller commits."""

from __future__ import annotations

import logging

from sqlalchemy import select
# <% if cookiecutter.auth != "oidc" %>
from sqlalchemy.exc import IntegrityError
# <% endif %>

# <% if cookiecutter.auth == "oidc" %>
from app.auth import notices, sessions, throttling
from app.auth.models import LOCAL, User, normalize_email
# <% else %>
from app.auth import account_links, devices, links, notices, sessions, throttling
from app.auth.models import Session, User, normalize_email
# <% endif %>
from app.database import db, now
from app.security.logs import security_event
from app.security.passwords import hash_password, needs_rehash, verify_password
# <% if cookiecutter.auth != "oidc" %>


def register(email: str, password: str) -> User | None:
    """Create an account; None when the address is taken.

    The database decides, not a query before: of two sign-ups at the same time, one succeeds. The
    caller logs it, when nothing can refuse it any more.
    """
    user = User(email=email, password_hash=hash_password(password))
    db.session.add(user)
    try:
        db.session.flush()
    except IntegrityError:
        db.session.rollback()
        security_event("user_create_refused", reason="address taken")
        return None
    return user
# <% endif %>


def authenticate(email: str, password: str) -> User | None:
    """The user with this address and password; None when there is none.

    Also None when the account is disabled, or when the attempt comes too early after many failures.
    In every case one password is hashed and one failure is counted, so that the time does not tell
    whether an account exists. The stored hash is renewed when the parameters have risen since.
    # <% if cookiecutter.auth != "oidc" %>
    The user is told of a new device.
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
        user.password_hash = hash_password(password)
    # <% if cookiecutter.auth != "oidc" %>
    devices.recognize(user)
    # <% endif %>
    security_event("authn_login_success", level=logging.INFO, account=user.id)
    return user
# <% if cookiecutter.auth != "oidc" %>


def reauthenticate(session: Session, password: str) -> bool:
    """Whether the user of this session has entered the right password, from now until the commit.

    Also False when the attempt comes too early after many failures in this session: the thief of a
    session could guess the password without end. If False, the failure is counted and committed.
    """
    return _confirm(session.user, password, session)


def change_password(session: Session, current: str, new: str) -> bool:
    """Set a new password and end every session; False when ``current`` is wrong or too early.

    Of the devices, only this one stays known: the notice of the change tells what a new one would.
    Links to another address or password that wait end, too: a thief may have asked for them.
    """
    user = session.user
    if not reauthenticate(session, current):
        security_event("authn_password_change_fail", account=user.id)
        return False
    user.password_hash = hash_password(new)
    db.session.flush()
    sessions.end_all(user)
    devices.remember(user)
    account_links.end(user, "email")
    links.end("reset", user.email)
    notices.send("password", user)
    security_event("authn_password_change", level=logging.INFO, account=user.id)
    return True
# <% endif %>


def disable(user: User) -> int:
    """Refuse every sign-in from now on, and end every session.

    :returns: how many sessions ended.
    """
    user.disabled_at = now()
    db.session.flush()  # a sign-in at the same time ends here, or finds the account disabled
    ended = sessions.end_all(user)
    notices.send("disabled", user)
    security_event("user_disabled", level=logging.INFO, account=user.id)
    return ended


def enable(user: User) -> None:
    """Let a disabled account sign in again."""
    user.disabled_at = None
    notices.send("enabled", user)
    security_event("user_enabled", level=logging.INFO, account=user.id)


def unlock(user: User) -> tuple[int, int]:
    """Reset the failed sign-ins, so that the next attempt is not delayed.

    :returns: how many failed in a row, and how many came too early.
    """
    lock_row(user)
    counted = user.failures, user.refusals
    throttling.clear(user)
    security_event("authn_login_unlock", level=logging.INFO, account=user.id)
    return counted


def lock_row(user: User) -> bool:
    """Lock the account's row until the commit, and read it again.

    A sign-in, a password change or a disabling at the same time waits.

    :returns: False when another request has just deleted the account.
    """
    found = throttling.lock(user)
    if found:
        db.session.refresh(user)
    return found


# <% if cookiecutter.auth == "oidc" %>
def _confirm(user: User, password: str) -> bool:
    """Whether ``password`` is right and the account enabled, from now until the commit.

    If not, the failure is counted and committed.

    Hashing takes long enough for a new password or a disabling to be stored in between: the old
    password would then open a session. So the row is locked and read again.
    """
# <% else %>
def _confirm(user: User, password: str, session: Session | None = None) -> bool:
    """Whether ``password`` is right and the account enabled, from now until the commit.

    If not, the failure is counted and committed.

    :param session: the session that asks for the password again; its own failures decide whether
        the attempt comes too early.

    Hashing takes long enough for a new password or a disabling to be stored in between: the old
    password would then open a session. So the row is locked and read again.
    """
# <% endif %>
    verified = user.password_hash
    correct = verify_password(verified, password)
    if not lock_row(user):
        return False
    if correct and user.password_hash != verified:
        correct = verify_password(user.password_hash, password)
    # <% if cookiecutter.auth == "oidc" %>
    if correct and user.disabled_at is None and not throttling.is_delayed(user):
        throttling.clear(user)
        return True
    throttling.count_failure(user)
    # <% else %>
    asking = session and db.session.get(Session, session.id, populate_existing=True)
    early = throttling.is_delayed(asking or user)
    if correct and user.disabled_at is None and not early:
        throttling.clear(user)
        return True
    throttling.count_failure(user)
    if asking:
        throttling.count_failure(asking)
    # <% endif %>
    db.session.commit()
    return False


def _refuse(name: str, password: str) -> bool:
    """Do the same for an unknown account as for a wrong password."""
    verify_password(None, password)
    throttling.count_failure(throttling.decoy(name))
    db.session.commit()
    return False
