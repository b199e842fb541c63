"""Sessions: one that was saved goes on after sign-out, a new password, disabling or expiry.

Here they are started, found again and ended. The database decides, whatever a client still holds.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from hashlib import sha256

from sqlalchemy import Select, bindparam, delete, select, update
from sqlalchemy.orm.attributes import set_committed_value

from app.auth import upkeep
from app.auth.lifetimes import ABSOLUTE_TIMEOUT, IDLE_TIMEOUT
from app.auth.models import Session, User
from app.database import db, now
from app.security.logs import security_event

TOUCH_EVERY = timedelta(minutes=1)  # how exact "last seen" is; a write per request would be dear
MAX_SESSIONS = 10  # per user; the oldest ends when one more starts
BATCH = 1000  # sessions that end in one transaction, when everybody's do
MAX_DEVICE = 200  # characters kept of the User-Agent header
# How a session is found. On each request: so the statements are built once.
BY_TOKEN_HASH = select(Session).where(Session.token_hash == bindparam("value"))
BY_PUBLIC_ID = select(Session).where(Session.public_id == bindparam("value"))


def start(user: User, *, address: str, device: str) -> tuple[Session, str]:
    """Start a session and return it with its token: 256 random bits, for the client alone.

    The caller commits.
    """
    token = secrets.token_urlsafe(32)
    upkeep.delete_expired(Session, Session.last_seen_at, now() - IDLE_TIMEOUT)
    for surplus in of_user(user)[MAX_SESSIONS - 1 :]:
        end(surplus)
    session = Session(
        token_hash=hash_token(token),
        user=user,
        address=address,
        device="".join(c for c in device if c.isprintable())[:MAX_DEVICE],
    )
    db.session.add(session)
    db.session.flush()
    security_event("session_created", level=20, user=user.id)
    return session, token


def find(query: Select[Session], value: str) -> Session | None:
    """The running session that the value names, together with its user, in one query.

    :param query: ``BY_TOKEN_HASH`` or ``BY_PUBLIC_ID``.

    Idle for too long, too old, or its user disabled: there is none, and the row is deleted. Call it
    before anything is written: a transaction that has begun is committed.
    """
    session = db.session.scalar(query, {"value": value})
    if session is None:
        return None
    seen = now()
    if (
        session.user.disabled_at is not None
        or seen - session.last_seen_at > IDLE_TIMEOUT
        or seen - session.created_at > ABSOLUTE_TIMEOUT
    ):
        security_event("session_expired", level=20, user=session.user_id)
        upkeep.attempt(delete(Session).where(Session.id == session.id))
        return None
    if seen - session.last_seen_at > TOUCH_EVERY:
        touch = update(Session).where(Session.id == session.id).values(last_seen_at=seen)
        touched = upkeep.attempt(touch)
        if touched == 0:
            return None  # it was ended at this very moment
        if touched:
            set_committed_value(session, "last_seen_at", seen)
    return session


def of_user(user: User) -> list[Session]:
    """The user's sessions, the last seen first."""
    newest = Session.last_seen_at.desc(), Session.id.desc()
    return list(
        db.session.scalars(select(Session).where(Session.user_id == user.id).order_by(*newest))
    )


def end(session: Session) -> None:
    """End one session, or none when another request has ended it. The caller commits."""
    security_event("session_revoked", level=20, user=session.user_id)
    db.session.execute(delete(Session).where(Session.id == session.id))


def end_all(user: User, *, but: Session | None = None) -> int:
    """End every session of ``user``, except ``but``. The caller commits.

    :returns: how many ended.
    """
    ended = [session for session in of_user(user) if session is not but]
    for session in ended:
        end(session)
    return len(ended)


def end_everybodys() -> int:
    """End every session of every user, and commit: a batch at a time, however many there are.

    :returns: how many ended.
    """
    count = last = 0
    every = select(Session.id, Session.user_id).order_by(Session.id).limit(BATCH)
    while batch := db.session.execute(every.where(Session.id > last)).all():
        for _, user in batch:
            security_event("session_revoked", level=20, user=user)
        first, last = last, batch[-1].id
        db.session.execute(delete(Session).where(Session.id > first, Session.id <= last))
        db.session.commit()
        count += len(batch)
    return count


def hash_token(token: str) -> str:
    """What is stored of a token. It is random: nobody guesses it from its hash."""
    return sha256(token.encode()).hexdigest()
