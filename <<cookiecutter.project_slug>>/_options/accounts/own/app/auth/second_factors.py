"""Second factors: an attacker signs in with a password that was guessed, or stolen elsewhere.

An account may have an authenticator app (:mod:`app.auth.totp`), passkeys (:mod:`app.auth.passkeys`)
and, with either, recovery codes. A mail reports each change to the owner, in the same transaction.
A change that removes protection ends all other sessions. OWASP Multifactor Authentication cheat
sheet; ASVS 6.3.3, 6.3.7, 7.4.3.
"""

from __future__ import annotations

import logging
from typing import Literal

from flask import abort, current_app
from sqlalchemy import select

from app.auth import account_links, notices, passkeys, recovery_codes, revocation, totp
from app.auth.models import Session, User
from app.auth.passkeys import Passkey
from app.database import db
from app.secret import Secret
from app.security.logs import security_event

Kind = Literal["code", "passkey"]
WRONG_CODE = (
    "This code is wrong. Each code works once. If you use an app, enter the code that it shows now."
)
WRONG_PASSKEY = "This passkey was not accepted."
LAST = "This service requires a second factor. Add another one before you remove this one."


def of(user: User) -> list[Kind]:
    """The second factors of an account. Recovery codes alone are not one."""
    mine = select(Passkey.id).where(Passkey.user_id == user.id).limit(1)
    found: list[Kind] = []
    if totp.is_enabled(user):
        found.append("code")
    if db.session.scalar(mine, execution_options=passkeys.OF_ALL) is not None:
        found.append("passkey")
    return found


def are_required() -> bool:
    """Whether every account must have a second factor (``SECOND_FACTOR=required``)."""
    return bool(current_app.config["SETTINGS"].second_factor == "required")


def check_code(user: User, code: Secret, *, of_app: bool = True) -> str | None:
    """What a typed code proves: ``code`` or ``recovery code``; None when it is not valid.

    The caller has locked the account, has counted the try, and commits. A mail reports
    the use of a recovery code.

    :param of_app: whether a code of the app is accepted, too.
    """
    if of_app and totp.verify(user, code):
        return "code"
    if recovery_codes.use(user, code):
        left = recovery_codes.left(user)
        notices.send("recovery_code_used", user, left=left)
        security_event("authn_recovery_code_used", account=user.id, left=left)
        return "recovery code"
    return None


def set_app_up(session: Session, code: Secret) -> list[Secret] | None:
    """Enable the app that was begun. If it replaces an earlier one, all other sessions end.

    The caller has locked the account and commits.

    :returns: as :func:`added`; None when the code is wrong.
    """
    user, replaces = session.user, totp.is_enabled(session.user)
    if not totp.enable(session, code):
        return None
    if replaces:
        revocation.end_all(user, but=session)
    return added(user, "code")


def added(user: User, kind: Kind) -> list[Secret]:
    """Tell the owner of a new second factor. The caller has locked the account and commits.

    :returns: recovery codes, to be shown once, when these are the first; otherwise nothing.
    """
    account_links.end(user, "email")  # an older link would change the address without this factor
    notices.send("factor_added", user, factor=kind)
    security_event("authn_factor_added", level=logging.INFO, account=user.id, kind=kind)
    return recovery_codes.renew(user) if recovery_codes.left(user) == 0 else []


def new_recovery_codes(user: User) -> list[Secret]:
    """New recovery codes in place of the old ones. The caller has locked the account, commits.

    :raises werkzeug.exceptions.Conflict: for an account without a second factor.
    """
    if not of(user):
        abort(409, "Recovery codes replace a lost second factor. Set one up first.")
    notices.send("recovery_codes_new", user)
    security_event("authn_recovery_codes_new", level=logging.INFO, account=user.id)
    return recovery_codes.renew(user)


def remove_app(session: Session) -> bool:
    """Remove the authenticator app, and end all other sessions; False when there is none.

    The caller has locked the account and commits.

    :raises werkzeug.exceptions.Conflict: when it is the last second factor and one is required.
    """
    return totp.remove(session.user) and _removed(session, "code")


def remove_passkey(session: Session, public_id: str) -> bool:
    """Remove a passkey, and end all other sessions; False when there is none with this id.

    The caller has locked the account and commits.

    :raises werkzeug.exceptions.Conflict: when it is the last second factor and one is required.
    """
    return passkeys.remove(session.user, public_id) and _removed(session, "passkey")


def _removed(session: Session, kind: Kind) -> bool:
    user = session.user
    if not of(user):
        if are_required():
            db.session.rollback()
            abort(409, LAST)
        recovery_codes.remove(user)
    revocation.end_all(user, but=session)
    notices.send("factor_removed", user, factor=kind)
    security_event("authn_factor_removed", account=user.id, kind=kind)
    return True
