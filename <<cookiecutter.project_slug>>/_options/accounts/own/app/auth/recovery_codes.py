"""Recovery codes: the phone is lost, and with it the second factor.

Each of ten codes stands in for the second factor once. They are shown once; the database has their
hashes. A code has 128 random bits: nobody guesses it, and nobody who reads the database finds it
from its hash (ASVS 6.5.2 asks for 112 bits where the hash is a fast one). A mail
reports each use to the owner: somebody else may have found the paper. ASVS 6.5.1 to 6.5.3, 6.3.7.
"""

from __future__ import annotations

import secrets
from base64 import b32encode

from sqlalchemy import ForeignKey, String, delete, func, select
from sqlalchemy.orm import Mapped, mapped_column

from app.auth.models import User
from app.database import Base, db
from app.database.rows import change
from app.secret import Secret, hash_secret
from app.security.scope import unscoped

COUNT = 10  # PyPI gives 8, GitHub 16; few codes run out soon, many get lost
BYTES = 16  # 128 bits (ASVS 11.5.1), 26 characters in base32
GROUP = 4  # characters between two hyphens, for the eye
# Why statements here concern other users: a user who types a code is not signed in yet.
OF_ALL = {"unscoped": "the codes of the user who signs in, or whom an operator names"}


class RecoveryCode(Base):
    """A code that was not used yet. Only the SHA-256 of user and code is stored."""

    __tablename__ = "recovery_codes"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    code_hash: Mapped[str] = mapped_column(String(64), unique=True)


def renew(user: User) -> list[Secret]:
    """New codes in place of all before, to be shown once. The caller commits."""
    remove(user)
    drawn = [b32encode(secrets.token_bytes(BYTES)).decode() for _ in range(COUNT)]
    codes = [Secret(text.rstrip("=").lower()) for text in drawn]
    for code in codes:
        row = RecoveryCode(user_id=user.id, code_hash=_hash(user, code))
        db.session.add(unscoped(row, OF_ALL["unscoped"]))
    db.session.flush()
    return [Secret(_grouped(code.reveal())) for code in codes]


def use(user: User, code: Secret) -> bool:
    """End a code of any user; True if it was valid. Of two requests at once, one gets True.

    The caller commits.
    """
    typed = Secret("".join(code.reveal().split()).replace("-", "").lower())
    theirs = RecoveryCode.user_id == user.id, RecoveryCode.code_hash == _hash(user, typed)
    return change(delete(RecoveryCode).where(*theirs), OF_ALL) == 1


def left(user: User) -> int:
    """How many codes of any user were not used yet."""
    theirs = select(func.count()).where(RecoveryCode.user_id == user.id)
    return db.session.scalars(theirs, execution_options=OF_ALL).one()


def remove(user: User) -> None:
    """Remove all codes of any user. The caller commits."""
    change(delete(RecoveryCode).where(RecoveryCode.user_id == user.id), OF_ALL)


def _hash(user: User, code: Secret) -> str:
    return hash_secret(Secret(f"{user.id} {code.reveal()}"))


def _grouped(text: str) -> str:
    return "-".join(text[start : start + GROUP] for start in range(0, len(text), GROUP))
