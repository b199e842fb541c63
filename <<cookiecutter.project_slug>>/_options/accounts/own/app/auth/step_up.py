"""Step-up: a stolen session changes the password, adds a passkey or downloads all data.

A route with which a thief could take over the account requires a fresh proof: at most ten minutes
old, and by a second factor if the account has one. An app and a passkey are equally good, because
the user may not have the device of the other at hand. :func:`app.security.access.fresh` marks such
a route. A proof gives the session a new token. With ``SECOND_FACTOR=required``, a user without a
second factor must set one up before anything else. RFC 9470; OWASP Session Management cheat sheet;
ASVS 7.5.1, 7.5.3, 6.3.3.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Literal, TypeVar

from flask import current_app, request

from app.auth import (
    account_lock,
    authentication,
    code_guesses,
    factor_resets,
    passkey_ceremonies,
    passkey_requests,
    second_factors,
    session_lock,
    throttling,
    tickets,
)
from app.auth.models import Session
from app.database import db, now
from app.secret import Secret
from app.security.logs import security_event

FRESH = timedelta(minutes=10)  # to read a page twice and to type; a stolen session may act as long
PASSWORD = "password"  # the name of a proof # noqa: S105 # nosec B105

log = logging.getLogger("app.step_up")
View = TypeVar("View", bound=Callable[..., Any])


def part_of_set_up(view: View) -> View:
    """Open this route to an account that still has to set a second factor up."""
    view.is_part_of_set_up = True  # type: ignore[attr-defined]
    return view


def needed(session: Session, fresh: bool) -> Literal["proof", "set-up"] | None:
    """What the user of this session has to do before the present route; None when it may continue.

    :param fresh: whether the route asks for a fresh proof.
    """
    if fresh and not is_fresh(session):
        return "proof"
    if second_factors.are_required() and session.proof in ("", PASSWORD):
        view = current_app.view_functions[request.endpoint or ""]
        if not getattr(view, "is_part_of_set_up", False):
            return "proof" if second_factors.of(session.user) else "set-up"
    return None


def is_fresh(session: Session) -> bool:
    """Whether the last proof is young enough, and by a second factor if there is one."""
    if session.proven_at is None or now() - session.proven_at > FRESH:
        return False
    return session.proof != PASSWORD or not second_factors.of(session.user)


def by_password(session: Session, password: Secret) -> bool:
    """Prove by the password, where the account has no second factor. Commits when it is wrong."""
    if second_factors.of(session.user):
        return False
    if not authentication.reauthenticate(session, password):
        security_event("authn_step_up_fail", account=session.user_id)
        return False
    if not session_lock.lock(session):
        return False
    _succeed(session, PASSWORD)
    return True


def by_code(session: Session, code: Secret) -> str | None:
    """What a code of the app, or a recovery code, proves. Commits and returns None if it is wrong.

    The failures of this session alone delay it: a thief in another one does not block the owner.
    """
    user = session.user
    if not session_lock.lock(session):
        return None
    early = authentication.is_refused(user, session)
    if not early and (proof := second_factors.check_code(user, code)):
        _succeed(session, proof)
        return proof
    _fail(session)
    return None


def begin_passkey(session: Session) -> tuple[Secret, dict[str, Any]]:
    """A ticket for the answer of a passkey of this user, and what to ask it. The caller commits."""
    ticket, token = tickets.issue("step-up", session.user, session)
    return token, passkey_requests.to_answer(ticket, session.user)


def by_passkey(session: Session, token: Secret, answer: str) -> bool:
    """Prove by the answer of a passkey. The caller commits; this commits when it is wrong."""
    ticket = tickets.find("step-up", token, session)
    if ticket:
        try:
            passkey_ceremonies.verify(ticket, answer)
        except passkey_ceremonies.PasskeyError as error:
            log.info("passkey refused", extra={"reason": str(error)})
        else:
            if session_lock.lock(session) and tickets.use(ticket):
                _succeed(session, "passkey")
                return True
    _fail(session)
    return False


def _succeed(session: Session, proof: str) -> None:
    """Reset the failures of the account and of this session."""
    throttling.clear(session.user)
    throttling.clear(session)
    code_guesses.forget(session.user)
    if proof != PASSWORD:
        factor_resets.cancel(session.user, factor_resets.FACTOR)


def _fail(session: Session) -> None:
    session_lock.roll_back(session)
    account_lock.lock(session.user)
    authentication.count_failure(session.user, session)
    security_event("authn_step_up_fail", account=session.user_id)
    db.session.commit()
