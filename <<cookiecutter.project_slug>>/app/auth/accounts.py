"""Operations on accounts. The caller commits."""

from __future__ import annotations

import logging

# <% if cookiecutter.auth == "oidc" %>
from app.auth import notices, revocation, throttling
from app.auth.models import User
from app.database import now
from app.security.logs import security_event
# <% else %>
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from app.auth import (
    account_links,
    authentication,
    code_guesses,
    devices,
    links,
    notices,
    revocation,
    throttling,
)
from app.auth.models import Session, User
from app.database import db, now
from app.secret import Secret
from app.security.logs import security_event
from app.security.passwords import hash_password


def find(email: Secret) -> User | None:
    """The account with this normalized address."""
    return db.session.scalar(select(User).where(User.email == email))


def register(email: Secret, password: Secret) -> User | None:
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


def change_password(session: Session, current: Secret, new: Secret) -> bool:
    """Set a new password and end every session; False when ``current`` is wrong or too early.

    Of the devices, only this one stays known: the notice of the change tells what a new one would.
    Links to another address or password that wait end, too: a thief may have asked for them.
    """
    user = session.user
    stored = hash_password(new)  # before rows are locked: it takes long
    if not authentication.reauthenticate(session, current):
        security_event("authn_password_change_fail", account=user.id)
        return False
    throttling.clear(user)
    user.password_hash = stored
    db.session.flush()
    revocation.end_all(user)
    devices.remember(user)
    account_links.end(user, "email")
    links.end("reset", user.email)
    notices.send("password", user)
    security_event("authn_password_change", level=logging.INFO, account=user.id)
    return True
# <% endif %>


def disable(user: User) -> int | None:
    """Refuse every sign-in from now on, and end every session. The caller has locked the account.

    :returns: how many sessions ended; None when it is disabled already.
    """
    if user.disabled_at is not None:
        return None
    user.disabled_at = now()
    ended = revocation.end_all(user)
    notices.send("disabled", user)
    security_event("user_disabled", level=logging.INFO, account=user.id)
    return ended


def enable(user: User) -> bool:
    """Let a disabled account sign in again; False when it is enabled already.

    The caller has locked the account.
    """
    if user.disabled_at is None:
        return False
    user.disabled_at = None
    notices.send("enabled", user)
    security_event("user_enabled", level=logging.INFO, account=user.id)
    return True


# <% if cookiecutter.auth == "oidc" %>
def unlock(user: User) -> tuple[int, int]:
    """Reset the failed sign-ins, so that the next attempt is not delayed.

    The caller has locked the account.

    :returns: how many failed in a row, and how many came too early.
    """
# <% else %>
def unlock(user: User, *, codes: bool = False) -> tuple[int, int]:
    """Reset the failed sign-ins, so that the next attempt is not delayed.

    The caller has locked the account.

    :param codes: accept codes of the app again, too: an attacker who has password and mailbox gets
        a hundred new guesses.
    :returns: how many failed in a row, and how many came too early.
    """
# <% endif %>
    counted = user.failures, user.refusals
    throttling.clear(user)
    # <% if cookiecutter.auth != "oidc" %>
    if codes:
        code_guesses.forget(user)
    # <% endif %>
    security_event("authn_login_unlock", level=logging.INFO, account=user.id)
    return counted
