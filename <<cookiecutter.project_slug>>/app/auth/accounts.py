"""What can be done with an account."""

from __future__ import annotations

from sqlalchemy import select, update
# <% if cookiecutter.auth != "oidc" %>
from sqlalchemy.exc import IntegrityError
# <% endif %>

from app.auth import sessions, throttling
# <% if cookiecutter.auth == "oidc" %>
from app.auth.models import LOCAL, Session, User, normalize_email
# <% else %>
from app.auth.models import Session, User, normalize_email
# <% endif %>
from app.database import db, now
from app.security.logs import security_event
from app.security.passwords import hash_password, needs_rehash, verify_password
# <% if cookiecutter.auth != "oidc" %>


def register(email: str, password: str) -> User | None:
    """A new account, not yet committed; None when the address is taken.

    The database decides, not a look-up before: two sign-ups at the same time cannot both win.
    """
    user = User(email=email, password_hash=hash_password(password))
    db.session.add(user)
    try:
        db.session.flush()
    except IntegrityError:
        db.session.rollback()
        security_event("user_create_refused", reason="address taken")
        return None
    security_event("user_created", level=20, user=user.id)
    return user
# <% endif %>


def authenticate(email: str, password: str) -> User | None:
    """The user with this address and password; None for unknown, wrong and disabled alike.

    Also None for whoever has failed so often that this attempt comes too early. One password is
    hashed and one failure counted in every case, so that the time does not tell whether an account
    exists. The stored hash is renewed when the parameters have risen since. The caller commits.
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
    security_event("authn_login_success", level=20, account=user.id)
    return user
# <% if cookiecutter.auth != "oidc" %>


def change_password(session: Session, current: str, new: str) -> bool:
    """Set a new password and end every session; False when ``current`` is wrong.

    Or when this session has sent so many wrong ones that it is too early for another: a thief could
    guess for ever. The caller commits. A sign-in at the same time either ends here or finds another
    password.
    """
    user = session.user
    if not _confirm(user, current, session):
        security_event("authn_password_change_fail", account=user.id)
        return False
    user.password_hash = hash_password(new)
    db.session.flush()
    sessions.end_all(user)
    security_event("authn_password_change", level=20, account=user.id)
    return True
# <% endif %>


def disable(user: User) -> int:
    """Refuse every sign-in from now on, and end every session. The caller commits.

    :returns: how many sessions ended.
    """
    user.disabled_at = now()
    db.session.flush()  # a sign-in at the same time ends here, or finds the account disabled
    ended = sessions.end_all(user)
    security_event("user_disabled", level=20, account=user.id)
    return ended


def enable(user: User) -> None:
    """Let a disabled account sign in again. The caller commits."""
    user.disabled_at = None
    security_event("user_enabled", level=20, account=user.id)


def unlock(user: User) -> tuple[int, int]:
    """Forget failed sign-ins, so that the next is looked at at once. The caller commits.

    :returns: how many failed in a row, and how many came too early.
    """
    hold(user)
    counted = user.failures, user.refusals
    throttling.clear(user)
    security_event("authn_login_unlock", level=20, account=user.id)
    return counted


def hold(user: User) -> None:
    """Read the account again, and keep it as it is until the caller commits.

    The row is locked, by a write that changes nothing (SQLite has no other lock). Whoever signs in,
    changes the password or disables the account meanwhile waits.
    """
    lock = update(User).where(User.id == user.id).values(password_hash=User.password_hash)
    db.session.execute(lock, execution_options={"synchronize_session": False})
    db.session.refresh(user)


def _confirm(user: User, password: str, session: Session | None = None) -> bool:
    """Whether ``password`` is right and the account enabled, from now until the caller commits.

    When it is not, the failure is counted and committed.

    :param session: asks for the password again; its own failures decide whether it is too early.

    Hashing takes long enough for a password change or a disabling to finish in between: the old
    password would open a session that outlives it, or its renewed hash would even bring it back. So
    the row is held, and looked at again.
    """
    verified = user.password_hash
    correct = verify_password(verified, password)
    hold(user)
    if correct and user.password_hash != verified:
        correct = verify_password(user.password_hash, password)
    asking = session and db.session.get(Session, session.id, populate_existing=True)
    early = throttling.is_delayed(asking or user)
    if correct and user.disabled_at is None and not early:
        throttling.clear(user)
        return True
    throttling.count_failure(user)
    if asking:
        throttling.count_failure(asking)
    db.session.commit()
    return False


def _refuse(name: str, password: str) -> bool:
    """Do for an account that is not there what is done for a wrong password."""
    verify_password(None, password)
    throttling.count_failure(throttling.decoy(name))
    db.session.commit()
    return False
