"""Known devices: somebody who has learned a password signs in with it, and its owner never knows.

A device is known by 256 random bits that it keeps, see :mod:`app.auth.device_tokens`. A sign-in
without them gives the device new ones, and sends the owner a mail, in the same transaction. All of
this comes after the check of the password, so no answer and no response time shows whether a device
is known. A token is valid for one account, until a password change, a reset, or any other end of
all sessions of this account alone: a thief's device is new again. It signs nobody in: it only
prevents the mail. The database has a hash of user and token, so that it does not show which
accounts share a device. ASVS 6.3.5.
"""

from __future__ import annotations

import logging
import secrets
from datetime import datetime
from hashlib import sha256

from sqlalchemy import ForeignKey, String, delete, select, update
from sqlalchemy.orm import Mapped, mapped_column

from app.auth import device_tokens, expiry, notices
from app.auth.models import User
from app.database import Base, UTCDateTime, db, now
from app.database.rows import change
from app.mail import outbox
from app.secret import Secret
from app.security.logs import security_event
from app.security.scope import unscoped

KIND = "new_device"  # of the notice
MAX_DEVICES = 10  # per user, as many as sessions; one more drops the one unused for longest
MAX_NOTICES = 5  # in a day, to one address: a thief of the password floods no mailbox
# Why statements here concern other users: during a sign-in nobody is signed in yet; an operator
# ends the sessions of any user.
OF_ALL = {"unscoped": "the devices of the user who signs in, or whose sessions end"}


class Device(Base):
    """A device on which a user has signed in. The hash is of the user's id and the token."""

    __tablename__ = "devices"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    seen_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now, index=True)


def recognize(user: User, proof: str) -> None:
    """Tell the user of a sign-in if the device is new; then it is known. The caller commits.

    Call it after the last step, with the account's row locked, so that simultaneous sign-ins count
    each other's notices.

    :param proof: what completed the sign-in, for the notice.
    """
    if remember(user):
        security_event("authn_device_new", level=logging.INFO, account=user.id)
        if outbox.recent(KIND, user.email) < MAX_NOTICES:
            notices.send(KIND, user, proof=proof)


def remember(user: User) -> bool:
    """Make the device that sends this request known to this account. The caller commits.

    :returns: whether it was new.
    """
    known = {device.token_hash: device for device in _of_user(user)}
    for token in device_tokens.sent():
        if device := known.get(_hash(user, token)):
            change(update(Device).where(Device.id == device.id).values(seen_at=now()), OF_ALL)
            device_tokens.give(token)  # again: a browser forgets it after the same time
            return False
    expiry.delete_expired(Device, Device.seen_at, now() - device_tokens.KEEP)
    for surplus in [*known.values()][MAX_DEVICES - 1 :]:
        _delete(surplus)
    # Never a token that was sent: an attacker may have planted it in this browser.
    token = Secret(secrets.token_urlsafe(32))
    device = Device(user_id=user.id, token_hash=_hash(user, token))
    db.session.add(unscoped(device, OF_ALL["unscoped"]))
    db.session.flush()
    device_tokens.give(token)
    return True


def forget_others(user: User) -> None:
    """Forget all devices of ``user`` but the one that sends this request. The caller commits."""
    kept = {_hash(user, token) for token in device_tokens.sent()}
    for device in _of_user(user):
        if device.token_hash not in kept:
            _delete(device)


def _of_user(user: User) -> list[Device]:
    """The devices of any user that are still known, the last seen first."""
    theirs = select(Device).where(
        Device.user_id == user.id, Device.seen_at > now() - device_tokens.KEEP
    )
    theirs = theirs.order_by(Device.seen_at.desc(), Device.id.desc())
    return list(db.session.scalars(theirs, execution_options=OF_ALL))


def _delete(device: Device) -> None:
    change(delete(Device).where(Device.id == device.id), OF_ALL)


def _hash(user: User, token: Secret) -> str:
    return sha256(f"{user.id} {token.reveal()}".encode("utf-8", "surrogatepass")).hexdigest()
