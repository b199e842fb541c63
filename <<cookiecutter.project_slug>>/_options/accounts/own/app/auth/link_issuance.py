"""Issuance of links: an attacker floods the mailbox of a stranger with mails that have a link.

The pauses between mails to one address grow. The row of a link stays, so that simultaneous requests
wait for each other and one of them sends a mail. ASVS 6.4.3, 6.5.2.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from functools import partial

from sqlalchemy import select, update

from app.auth import expiry
from app.auth.links import LIFETIMES, OF_ALL, Link, Purpose, row_hash
from app.auth.models import User
from app.backoff import backoff
from app.database import db, now
from app.database.rows import TRIES, lock_or_add
from app.secret import Secret, hash_secret
from app.security.scope import unscoped

# The pause after a mail to one address. It doubles with each further mail of a day, up to the
# lifetime of the link: at most 16 mails a day, or 50 with links that reset a password. So the owner
# of a flooded mailbox always has a valid link, or can ask for one.
FIRST_PAUSE = timedelta(minutes=5)
LONGEST_PAUSE = timedelta(hours=2)
DAY = timedelta(days=1)


def issue(purpose: Purpose, email: Secret, user: User | None = None) -> Secret | None:
    """A new link for the mailbox of ``email``; it ends the one before. The caller commits.

    :param user: whose account it changes, where the address does not say it; its row is locked.
        Without one, write nothing before: see :func:`app.database.rows.lock_or_add`.
    :returns: its token; None while the pause after the last mail lasts. Then the one before
        is still valid.
    """
    link = _locked(purpose, email, user)
    longest = min(LONGEST_PAUSE, LIFETIMES[purpose])
    pause = backoff(FIRST_PAUSE, link.mails - 1, longest)
    if now() < link.mailed_at + pause:  # never of a new row: its last mail is a day ago
        return None
    return _renewed(link)


def issue_at_once(purpose: Purpose, email: Secret, user: User | None = None) -> Secret:
    """The same without a pause: for an operator, or where something else limits the mails.

    With a pause, an attacker could ask again and again and keep this mail from being sent. The
    caller commits; without ``user``, it writes nothing before this call, which may roll back.
    """
    return _renewed(_locked(purpose, email, user))


def _renewed(link: Link) -> Secret:
    token = Secret(secrets.token_urlsafe(32))
    link.token_hash = hash_secret(token)
    link.expires_at = now() + LIFETIMES[link.purpose]
    link.mails = 1 if now() - link.mailed_at > DAY else link.mails + 1
    link.mailed_at = now()
    unscoped(link, OF_ALL["unscoped"])
    db.session.flush()
    return token


def _locked(purpose: Purpose, email: Secret, user: User | None) -> Link:
    """The row for this purpose and address, locked until the commit; made when there is none."""
    this = Link.name_hash == row_hash(purpose, email, user)
    lock = update(Link).where(this).values(mails=Link.mails)
    new = partial(_new, purpose, email, user)
    lock_or_add(lock, new, OF_ALL, tries=1 if user else TRIES)
    options = {**OF_ALL, "populate_existing": True}
    return db.session.execute(select(Link).where(this), execution_options=options).scalar_one()


def _new(purpose: Purpose, email: Secret, user: User | None) -> Link:
    expiry.delete_expired(Link, Link.mailed_at, now() - LIFETIMES["undo"])
    link = Link(
        name_hash=row_hash(purpose, email, user),
        purpose=purpose,
        email=email,
        user_id=user and user.id,
        mails=0,
    )
    link.expires_at = link.mailed_at = now() - DAY
    return unscoped(link, OF_ALL["unscoped"])
