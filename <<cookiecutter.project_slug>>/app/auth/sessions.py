"""Sessions: a saved session must not work after sign-out, a new password, disabling or expiry.

This module starts, finds and ends one; :mod:`app.auth.revocation` ends all of a user, and
:mod:`app.auth.session_lock` lets none end in the middle of a request. The database decides which
sessions run, not what a client holds.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.orm.attributes import set_committed_value

from app.auth import best_effort, expiry, session_lock
from app.auth.models import Session, User
from app.database import db, new_public_id, now
from app.secret import Secret, hash_secret
from app.security.logs import security_event
from app.security.scope import unscoped
# <% if cookiecutter.__interface == "html" %>
from app.session_settings import lifetime
# <% endif %>

# <% if cookiecutter.__interface == "json" %>
# A refresh token is good for one use within the idle time: an app that is opened once a week keeps
# its user signed in. After the absolute time the user has to enter the password again; NIST SP
# 800-63B-4 asks for that after 30 days at the latest where one factor is used.
IDLE_TIMEOUT = timedelta(days=7)
ABSOLUTE_TIMEOUT = timedelta(days=14)
# Each use of an access token is checked against the database, so that it can end earlier. Its
# lifetime limits the harm of a token in a log or a backup. RFC 9700 asks for short lifetimes; 5 to
# 15 minutes are common.
ACCESS_LIFETIME = timedelta(minutes=10)
LEEWAY = timedelta(seconds=10)  # by which the clocks of two instances may differ; RFC 7519: minutes
# <% endif %>
TOUCH_EVERY = timedelta(minutes=1)  # precision of "last seen": a write per request costs too much
MAX_SESSIONS = 10  # per user; one more ends the one idle for longest
MAX_USER_AGENT = 200  # characters kept of the User-Agent header
# Why statements here concern other users: sign-in finds the session of a user who is not signed in
# yet; others than the user end sessions, such as an operator.
OF_ALL = {"unscoped": "the session of any user, which its token, its owner or an operator names"}
# The statement of each signed-in request. To build it anew takes as long as to execute it.
# <% if cookiecutter.__interface == "json" %>
FIND = select(Session).where(Session.public_id == bindparam("value")).execution_options(**OF_ALL)
# <% else %>
FIND = select(Session).where(Session.token_hash == bindparam("value")).execution_options(**OF_ALL)
# <% endif %>
# The sessions of the signed-in user, the last seen first.
NEWEST = select(Session).order_by(Session.last_seen_at.desc(), Session.id.desc())


def start(
    user: User, *, address: str, device: str, proof: str, proven_at: datetime | None, **more: object
) -> tuple[Session, Secret]:
    """Start a session and return it with its token: 256 random bits, for the client alone.

    The caller commits.

    :param proof: how the user proved their identity, and ``proven_at`` when; see
        :mod:`app.auth.step_up`.
    :param more: further columns of the session.
    """
    # <% if cookiecutter.__interface == "json" %>
    idle = IDLE_TIMEOUT
    # <% elif cookiecutter.auth == "session" %>
    # The longest idle time for all: a query for the shorter one would read every row that stays.
    idle = lifetime().idle_of(stays=True)
    # <% else %>
    idle = lifetime().idle
    # <% endif %>
    token = Secret(secrets.token_urlsafe(32))
    expiry.delete_expired(Session, Session.last_seen_at, now() - idle)
    for surplus in of_user(user)[MAX_SESSIONS - 1 :]:
        end(surplus)
    session = Session(
        token_hash=hash_secret(token),
        user=user,
        address=address,
        device="".join(c for c in device if c.isprintable())[:MAX_USER_AGENT],
        proof=proof,
        proven_at=proven_at,
        **more,
    )
    db.session.add(unscoped(session, "whoever signs in is not signed in yet"))
    db.session.flush()
    security_event("session_created", level=logging.INFO, user=user.id)
    return session, token


def renew(session: Session, proof: str, proven_at: datetime | None = None) -> Secret:
    """Record a fresh proof, and give the session a new token, which is returned.

    # <% if cookiecutter.__interface == "json" %>
    A copy of the previous one is useless (ASVS 7.2.4): access tokens name the public id, which is
    new as well. The caller commits.
    # <% else %>
    A copy of the previous one is useless (ASVS 7.2.4). The caller commits.
    # <% endif %>

    :param proven_at: when it was given; by default now.
    """
    token = Secret(secrets.token_urlsafe(32))
    session.token_hash, session.public_id = hash_secret(token), new_public_id()
    session.proof, session.proven_at = proof, proven_at or now()
    unscoped(session, "whoever proves it may not be signed in as this user any more")
    db.session.flush()
    return token


def find(value: str) -> Session | None:
    """The running session that ``FIND`` selects, together with its user, in one query.

    A session that was idle for too long, is too old, or belongs to a disabled user does not run: it
    is deleted. Call this before anything is written: a transaction that has begun is committed.
    """
    session = db.session.scalar(FIND, {"value": value})
    if session is None:
        return None
    seen = now()
    if has_ended(session, seen):
        security_event("session_expired", level=logging.INFO, user=session.user_id)
        best_effort.write(delete(Session).where(*session_lock.this(session)))
        return None
    if seen - session.last_seen_at > TOUCH_EVERY:
        touch = update(Session).where(*session_lock.this(session)).values(last_seen_at=seen)
        touched = best_effort.write(touch)
        if touched == 0:
            return None  # another request has just ended it
        if touched:
            set_committed_value(session, "last_seen_at", seen)
    return session


def has_ended(session: Session, at: datetime) -> bool:
    """Whether a session was idle for too long, is too old, or belongs to a disabled user.

    Its row stays until somebody asks for it, or a later sign-in deletes it.
    """
    # <% if cookiecutter.__interface == "json" %>
    idle, absolute = IDLE_TIMEOUT, ABSOLUTE_TIMEOUT
    # <% elif cookiecutter.auth == "session" %>
    idle, absolute = lifetime().idle_of(session.stays), lifetime().absolute
    # <% else %>
    idle, absolute = lifetime().idle, lifetime().absolute
    # <% endif %>
    return (
        session.user.disabled_at is not None
        or at - session.last_seen_at > idle
        or at - session.created_at > absolute
    )


def running(found: Iterable[Session]) -> list[Session]:
    """Those of these sessions that have not ended, for a list of where a user is signed in."""
    at = now()
    return [session for session in found if not has_ended(session, at)]


def of_user(user: User) -> list[Session]:
    """The sessions of any user, the last seen first; also those that have ended by themselves."""
    theirs = NEWEST.where(Session.user_id == user.id)
    return list(db.session.scalars(theirs, execution_options=OF_ALL))


def end(session: Session) -> None:
    """End one session, unless another request has already ended it. The caller commits."""
    security_event("session_revoked", level=logging.INFO, user=session.user_id)
    ended = delete(Session).where(*session_lock.this(session))
    db.session.execute(ended, execution_options=OF_ALL)
