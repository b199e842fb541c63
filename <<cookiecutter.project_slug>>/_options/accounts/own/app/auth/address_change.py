"""Change of address: a thief of a session moves the account to another mailbox.

There the thief resets the "forgotten" password, and the owner loses the account. So a change needs
a fresh proof. A link proves the new mailbox. It works only for the signed-in owner of the account:
otherwise somebody who opens the link of a stranger would give the stranger's account an address
that is not the stranger's. The old mailbox gets a link that undoes the change for 7 days, and with
it the password, which the thief knows. OWASP Forgot Password cheat sheet; ASVS 6.3.7, 6.3.8.
"""

from __future__ import annotations

import logging

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from werkzeug.exceptions import Conflict

from app.auth import (
    account_links,
    account_lock,
    factor_resets,
    link_issuance,
    links,
    notices,
    revocation,
    throttling,
)
from app.auth.links import Link
from app.auth.models import User
from app.database import db, rows
from app.mail import outbox
from app.secret import Secret
from app.security.logs import security_event
from app.security.passwords import hash_password

TAKEN = "Another account has taken this address in the meantime."
KIND = "new_address"  # of the mail to the new address
MAX_MAILS = 10  # in a day, to one address: a stranger with many accounts floods no mailbox


def request_change(user: User, email: Secret) -> None:
    """Mail a link to the new address, after a fresh proof.

    The same is done whether the address has an account or not, but then the mail is not delivered;
    nor when the address got :data:`MAX_MAILS` within a day. The caller has locked the account and
    commits.
    """
    taken = db.session.scalar(select(User.id).where(User.email == email)) is not None
    few = outbox.recent(KIND, email) < MAX_MAILS
    if token := link_issuance.issue("email", email, user):
        values = {"address": notices.client(), **links.shown("email", token)}
        outbox.add(KIND, email, values, deliver=few and not taken)


def pending(token: Secret, user: User) -> Link | None:
    """The link that changes the address of this account, if it is still valid."""
    link = links.find("email", token)
    return link if link and link.user_id == user.id else None


def change(token: Secret, user: User) -> bool:
    """Change the address by a link; False when the link is not valid. The caller commits.

    :raises Conflict: when another account has the address by now.
    """
    link = pending(token, user)
    if link is None:
        return False
    # Of several changes at once, each knows the address before it.
    if not account_lock.lock(user) or user.disabled_at is not None or not links.use(link):
        return False
    old = user.email
    _move(user, link.email)
    factor_resets.cancel(user, factor_resets.ADDRESS, to=old)
    account_links.end(user, "email")
    # A row of its own for each change: the newer one has the higher id, see undo.
    mine = Link.user_id == user.id, Link.purpose == "undo", Link.email == old
    rows.change(delete(Link).where(*mine), links.OF_ALL)
    if undo_token := link_issuance.issue("undo", old, user):
        values = {"address": notices.client(), **links.shown("undo", undo_token)}
        outbox.add("address_changed", old, values)
    security_event("user_address_changed", level=logging.INFO, account=user.id)
    return True


def undo(token: Secret, password: Secret) -> User | None:
    """Give the account its old address back, by the link in the notice, and a new password.

    Every session ends, and each change after the undone one, with its link: a thief who moves an
    account again gets a link as well, but a newer one. None when the link is not valid. The caller
    commits.

    :raises Conflict: when another account has the old address by now.
    """
    link = links.find("undo", token)
    if link is None:
        return None
    stored = hash_password(password)  # before rows are locked: it takes long
    user = db.session.get(User, link.user_id)
    if user is None or not account_lock.lock(user) or not links.use(link):
        return None
    changed = user.email
    user.password_hash = stored
    throttling.clear(user)
    _move(user, link.email)
    factor_resets.cancel(user, factor_resets.ADDRESS)  # the thief got the mail about it
    account_links.end(user, "email")
    account_links.end(user, "undo", after=link.id)
    revocation.end_all(user)
    for address in sorted({user.email, changed}, key=Secret.reveal):
        outbox.add("address_restored", address, {"address": notices.client()})
    security_event("user_address_restored", account=user.id)
    return user


def _move(user: User, email: Secret) -> None:
    """Store the address, and end the link that resets the password from the one before."""
    old = user.email
    try:
        user.email = email
        db.session.flush()
    except IntegrityError as error:
        db.session.rollback()
        raise Conflict(TAKEN) from error
    links.end("reset", old)
