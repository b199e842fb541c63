"""Revocation: without it, a thief of a password, a cookie or a token stays signed in.

When an account changes hands, when its password changes, or when an operator says so, this ends
# <% if cookiecutter.auth == "oidc" %>
all sessions. ASVS 7.4.2, 7.4.5.
# <% elif cookiecutter.auth == "token" %>
all sessions, the personal access tokens, and what a thief may have begun. ASVS 7.4.2, 7.4.3, 7.4.5.
# <% else %>
all sessions, and what a thief may have begun. ASVS 7.4.2, 7.4.3, 7.4.5.
# <% endif %>
"""

from __future__ import annotations

import logging

from sqlalchemy import delete, select

# <% if cookiecutter.auth == "oidc" %>
from app.auth import sessions
# <% elif cookiecutter.auth == "token" %>
from app.auth import devices, personal_tokens, sessions, tickets, totp
# <% else %>
from app.auth import devices, sessions, tickets, totp
# <% endif %>
from app.auth.models import Session, User
from app.auth.sessions import OF_ALL
from app.database import db
from app.security.logs import security_event

BATCH = 1000  # sessions that revoke_all ends in one transaction


def end_all(user: User, *, but: Session | None = None) -> int:
    # <% if cookiecutter.auth == "oidc" %>
    """End every session of ``user``, except ``but``. The caller commits.

    :returns: how many ended.
    """
    # <% else %>
    """End every session of ``user``, except ``but``, and forget all devices but this one.

    # <% if cookiecutter.auth == "token" %>
    All personal access tokens end, too: a thief may have made one.
    # <% endif %>
    A sign-in between its two steps ends as well, and so does an authenticator app that waits for
    its first code: a thief may have begun either. The caller commits.

    :returns: how many sessions ended.
    """
    devices.forget_others(user)
    tickets.end_all(user)
    totp.forget_pending(user)
    # <% endif %>
    # <% if cookiecutter.auth == "token" %>
    personal_tokens.end_all(user)
    # <% endif %>
    ended = [session for session in sessions.of_user(user) if session is not but]
    for session in ended:
        sessions.end(session)
    return len(ended)


def revoke_all() -> int:
    """End every session of every user, in batches, and commit each batch.

    :returns: how many ended.
    """
    # <% if cookiecutter.auth != "oidc" %>
    # First: a sign-in between its two steps would be complete after the last batch.
    tickets.revoke_all()
    # <% if cookiecutter.auth == "token" %>
    personal_tokens.revoke_all()
    # <% endif %>
    db.session.commit()
    # <% endif %>
    count = last = 0
    every = select(Session.id, Session.user_id).order_by(Session.id).limit(BATCH)
    every = every.execution_options(**OF_ALL)
    while batch := db.session.execute(every.where(Session.id > last)).all():
        for _, user in batch:
            security_event("session_revoked", level=logging.INFO, user=user)
        first, last = last, batch[-1].id
        ended = delete(Session).where(Session.id > first, Session.id <= last)
        db.session.execute(ended, execution_options=OF_ALL)
        db.session.commit()
        count += len(batch)
    return count
