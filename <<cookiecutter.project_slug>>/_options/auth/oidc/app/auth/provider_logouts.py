"""Logouts at the provider, kept for sign-ins in flight: one that ends later must not survive.

A user starts a sign-in, and the provider ends the user's session before the answer is exchanged and
a session exists here: the logout token finds nothing to end, and a session of 12 hours begins.
Back-Channel Logout 1.0 section 2.7 speaks of sessions that exist. Here the database keeps each
logout for as long as a sign-in that began before it may still complete.

Sign-in and logout lock the same row until their commit, in every worker and instance. If the logout
comes first, the sign-in reads it and is refused; if the sign-in comes first, the logout finds its
session. Only hashes are kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256

from sqlalchemy import String, select, update
from sqlalchemy.orm import Mapped, mapped_column

from app.auth import expiry, pending, single_use
from app.auth.claims import Claims
from app.auth.pending import Pending
from app.auth.provider_tokens import RefusedError, is_name
from app.database import Base, UTCDateTime, db, now
from app.database.rows import lock_all_or_add

# A sign-in takes ten minutes at most, and a minute more for its exchange and other clocks.
KEPT = timedelta(seconds=pending.LIFETIME) + single_use.MARGIN
# By which the clocks of two instances may differ, as for access tokens (app.auth.sessions of an
# API). Longer would refuse users who sign out and in again.
CLOCKS = timedelta(seconds=10)
KINDS = ("sub", "sid")  # in this order for all, so that nobody waits in a circle
NEVER = datetime(1970, 1, 1, tzinfo=UTC)  # of a row that a sign-in has made to lock it


class ProviderLogout(Base):
    """When the provider ended a session, or all of a user; ``id`` is a hash of which.

    :ivar ended_at: when this service heard of the last one.
    """

    __tablename__ = "provider_logouts"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    ended_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)


def remember(issuer: str, claims: Claims) -> None:
    """Keep what a logout token says, and let sign-ins that it may end wait. The caller commits.

    Call it first in a transaction. One with a ``sid`` ends that session alone, also with a ``sub``.
    """
    kind = "sid" if "sid" in claims else "sub"
    _lock([_digest(issuer, kind, str(claims[kind]))], now())
    expiry.delete_expired(ProviderLogout, ProviderLogout.ended_at, now() - KEPT)


def refuse_ended(issuer: str, claims: Claims, started: Pending) -> None:
    """Lock what may end this sign-in until the commit, and refuse it if that has come already.

    Call it first in a transaction, which may roll back and begin anew.

    :param claims: of the ID token.
    :raises RefusedError: when a logout came after this sign-in was started.
    """
    keys = [_digest(issuer, kind, str(claims[kind])) for kind in KINDS if is_name(claims.get(kind))]
    _lock(keys)
    began = datetime.fromtimestamp(started.started_at, UTC) - CLOCKS
    later = ProviderLogout.id.in_(keys), ProviderLogout.ended_at >= began
    if db.session.scalar(select(ProviderLogout.id).where(*later).limit(1)) is not None:
        raise RefusedError("the provider has ended this session since the sign-in was started")


def _lock(keys: Iterable[str], ended_at: datetime | None = None) -> None:
    this = update(ProviderLogout).values(ended_at=ended_at or ProviderLogout.ended_at)
    row = partial(ProviderLogout, ended_at=ended_at or NEVER)
    lock_all_or_add([(this.where(ProviderLogout.id == key), partial(row, id=key)) for key in keys])


def _digest(issuer: str, kind: str, name: str) -> str:
    return sha256(f"{kind} {issuer} {name}".encode()).hexdigest()
