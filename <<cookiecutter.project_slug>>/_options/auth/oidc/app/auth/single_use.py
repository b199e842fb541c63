"""Values that are valid once: an attacker copies an answer, or a logout token, and sends it again.

The database decides, for all workers and instances: the first request to write the row has used the
value. Only a hash is kept, and only as long as the value would be accepted. ASVS 10.2.1.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy import String, insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from app.auth import expiry
from app.database import Base, UTCDateTime, db, now
from app.secret import Secret

MARGIN = timedelta(minutes=1)  # the clocks of two instances may differ; too short allows a replay


class UsedOnce(Base):
    """A value that was used. ``id`` is the SHA-256 of its purpose and of the value itself."""

    __tablename__ = "used_once"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)


def use(purpose: str, value: Secret, seconds: int) -> bool:
    """Whether this is the first use of ``value``; if not, the transaction is rolled back.

    The caller commits. Until then another request with the same value waits.

    :param purpose: what the value is for; the same value may be used once for each purpose.
    :param seconds: how long the value would be accepted; its hash is kept a minute longer.
    """
    digest = sha256(f"{purpose} ".encode() + value.encoded()).hexdigest()
    until = now() + timedelta(seconds=seconds) + MARGIN
    try:
        db.session.execute(insert(UsedOnce).values(id=digest, expires_at=until))
    except IntegrityError:
        db.session.rollback()
        return False
    expiry.delete_expired(UsedOnce, UsedOnce.expires_at, now())
    return True
