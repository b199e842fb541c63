"""Sign-in: an attacker skips the second factor, or learns which accounts have one.

First the password, then the second factor, if the account has one. The answers show whether it has
one only after the right password; before, every failure has the same answer. Between the steps
there is no session, only a ticket (:mod:`app.auth.tickets`). A passkey alone is both factors. The
failures in a row are reset when the sign-in is complete, not before. OWASP Multifactor
Authentication cheat sheet; ASVS 6.3.3, 6.3.4, 6.3.8.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from app.auth import (
    account_lock,
    authentication,
    code_guesses,
    devices,
    factor_resets,
    passkey_ceremonies,
    passkey_requests,
    second_factors,
    throttling,
    tickets,
)
from app.auth.models import User
from app.auth.passkey_ceremonies import PasskeyError
from app.auth.step_up import PASSWORD
from app.database import db
from app.secret import Secret
from app.security.logs import security_event


@dataclass(frozen=True)
class SignIn:
    """A sign-in so far.

    :param proof: what completes it, for the session that the caller starts; None: not complete.
    :param ticket: for the second step, when it is not complete.
    """

    user: User
    proof: str | None = None
    ticket: Secret | None = None


def by_password(email: Secret, password: Secret) -> SignIn | None:
    """The first step: complete for an account without a second factor. The caller commits.

    None when the password is wrong or comes too early, see :mod:`app.auth.authentication`.
    """
    user = authentication.authenticate(email, password)
    if user is None:
        return None
    factor_resets.carry_out(user)
    if second_factors.of(user):
        _, token = tickets.issue("second factor", user)
        return SignIn(user, ticket=token)
    return _complete(user, PASSWORD)


def by_code(token: Secret, code: Secret) -> SignIn | None:
    """The second step by a code of the app or a recovery code. The caller commits.

    None when the ticket is not valid (any more), or the code is wrong, which is counted.
    """
    ticket = tickets.find("second factor", token)
    if ticket is None or not tickets.count_try(ticket):
        return None
    user = db.session.get(User, ticket.user_id)
    if user is None or not _may_go_on(user):
        return None
    checked = not throttling.is_locked_out(user)
    of_app = not code_guesses.are_used_up(user)
    proof = second_factors.check_code(user, code, of_app=of_app) if checked else None
    if proof and tickets.use(ticket):
        return _complete(user, proof)
    db.session.rollback()
    account_lock.lock(user)
    authentication.count_failure(user, checked=checked)
    code_guesses.count(user)
    security_event("authn_login_fail", account=user.id, reason="second factor")
    db.session.commit()
    return None


def awaited(token: Secret) -> User | None:
    """The user whose second factor this ticket waits for, while the ticket is valid."""
    ticket = tickets.find("second factor", token)
    return db.session.get(User, ticket.user_id) if ticket else None


def passkey_options(token: Secret) -> dict[str, object] | None:
    """What to ask a passkey as the second step; None when the ticket is not valid. Commits."""
    ticket = tickets.find("second factor", token)
    user = db.session.get(User, ticket.user_id) if ticket else None
    if ticket is None or user is None:
        return None
    options = passkey_requests.to_answer(ticket, user)
    db.session.commit()
    return options


def begin_by_passkey() -> tuple[Secret, dict[str, object]]:
    """A ticket for a sign-in by a passkey alone, and what to ask the authenticator. Commits."""
    ticket, token = tickets.issue("passkey")
    options = passkey_requests.to_answer(ticket)
    db.session.commit()
    return token, options


def by_passkey(purpose: tickets.Purpose, token: Secret, answer: str) -> SignIn | None:
    """Sign in by the answer of a passkey, alone or as the second step. The caller commits.

    None when the ticket is not valid, or the answer is wrong. A passkey is never delayed: nobody
    can guess one, so the failures of an attacker do not keep its owner out.
    """
    ticket = tickets.find(purpose, token)
    if ticket is None or not tickets.count_try(ticket):
        return None
    try:
        user = passkey_ceremonies.verify(ticket, answer)
    except PasskeyError as error:
        db.session.rollback()
        security_event("authn_login_fail", account=ticket.user_id, reason=f"passkey: {error}")
        return None
    if not _may_go_on(user) or not tickets.use(ticket):
        db.session.rollback()
        return None
    return _complete(user, "passkey", after_password=purpose == "second factor")


def _may_go_on(user: User) -> bool:
    """Lock the account; True if it exists and is enabled."""
    return account_lock.lock(user) and user.disabled_at is None


def _complete(user: User, proof: str, *, after_password: bool = True) -> SignIn:
    """A sign-in that is complete. Only the right password resets the failures."""
    if after_password:
        throttling.clear(user)
        code_guesses.forget(user)
    if proof != PASSWORD:
        factor_resets.cancel(user, factor_resets.FACTOR)
    devices.recognize(user, proof)
    security_event("authn_login_success", level=logging.INFO, account=user.id, proof=proof)
    return SignIn(user, proof)
