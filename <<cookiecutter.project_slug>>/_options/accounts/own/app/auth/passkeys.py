"""Passkeys: what is stored of them. :mod:`app.auth.passkey_ceremonies` asks authenticators.

A passkey is a key pair of WebAuthn, and the service has the public key alone: an attacker who reads
the database cannot sign in with it. An account can have several passkeys, with names: a user who
has lost one device removes its passkey and signs in with another. ASVS 6.5.1, 6.7.1, 7.5.2.
"""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256

from sqlalchemy import BigInteger, ForeignKey, String, delete, select
from sqlalchemy.orm import Mapped, mapped_column

from app.auth.models import User
from app.database import Base, PublicId, UTCDateTime, db, new_public_id, now
from app.database.rows import change

MAX_NAME = 60  # characters
MAX_KEY = 2048  # characters in base64url: RSA with 8192 bits has 1,400
MAX_PASSKEYS = 10  # per account; few people have as many devices
# Why statements here concern other users: during a sign-in nobody is signed in yet.
OF_ALL = {"unscoped": "the passkeys of the user who signs in, or whom an operator names"}


class Passkey(Base):
    """The public key of a passkey. The hash finds it: the id may be too long for an index."""

    __tablename__ = "passkeys"

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(PublicId, unique=True, default=new_public_id)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    credential_hash: Mapped[str] = mapped_column(String(64), unique=True)
    credential_id: Mapped[str] = mapped_column(String(1368))  # base64url
    public_key: Mapped[str] = mapped_column(String(MAX_KEY))  # COSE, base64url
    sign_count: Mapped[int] = mapped_column(BigInteger)
    name: Mapped[str] = mapped_column(String(MAX_NAME))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    used_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


def of_user(user: User) -> list[Passkey]:
    """The passkeys of any user, the oldest first."""
    theirs = select(Passkey).where(Passkey.user_id == user.id).order_by(Passkey.id)
    return list(db.session.scalars(theirs, execution_options=OF_ALL))


def find(credential_id: bytes) -> Passkey | None:
    """The passkey with this id, of any user."""
    this = select(Passkey).where(Passkey.credential_hash == hash_id(credential_id))
    return db.session.scalar(this, execution_options={**OF_ALL, "populate_existing": True})


def remove(user: User, public_id: str) -> bool:
    """Remove a passkey of this user; True if there was one. The caller commits."""
    theirs = Passkey.user_id == user.id, Passkey.public_id == public_id
    return change(delete(Passkey).where(*theirs), OF_ALL) == 1


def remove_all(user: User) -> None:
    """Remove all passkeys of any user. The caller commits."""
    change(delete(Passkey).where(Passkey.user_id == user.id), OF_ALL)


def handle(user: User) -> bytes:
    """What an authenticator stores of the account: no address, and the same for each passkey."""
    return sha256(f"user handle {user.id}".encode()).digest()


def hash_id(credential_id: bytes) -> str:
    """The SHA-256 of a credential id, in hexadecimal digits, by which the database finds it."""
    return sha256(credential_id).hexdigest()
