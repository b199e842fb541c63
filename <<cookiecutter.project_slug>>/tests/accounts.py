"""Accounts and sessions that a test only begins with: rows, without the requests that make them.

The app's own functions make the session and its token, so the app takes them as any others. Hashing
takes more time than all the rest of most tests, so that what was computed once is remembered.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from app.auth import sessions
from app.auth.models import Session, User
from app.database import db, now
from app.secret import Secret
from app.security import passwords


def add_account(columns: dict[str, Any], password: str | None = None) -> User:
    """Write an account. The caller commits.

    :param columns: those that tell accounts apart, as ``tests.browser`` names them.
    :param password: with which it can sign in; None for an account that has none.
    """
    stored = hash_once(passwords.HASHER, password) if password else None
    user = User(**columns, password_hash=stored)
    db.session.add(user)
    db.session.flush()
    return user


def start_session(user: User, address: str) -> tuple[Session, Secret]:
    """Start a session at the client's address; return it with its token. The caller commits."""
    return sessions.start(user, address=address, device="Tests", proof="password", proven_at=now())


@cache
def hash_once(hasher: PasswordHasher, password: str) -> str:
    """The hash by ``hasher``, which a test may have replaced with a cheaper one."""
    return passwords.hash_password(Secret(password))


class RememberingHasher(PasswordHasher):
    """Hashes as the service does, but each password once in a process: the next hash of it is the
    same. It compares the same hash and password once, and not at all where it made the hash of it.
    """

    def __init__(self, hasher: PasswordHasher) -> None:
        names = ("time_cost", "memory_cost", "parallelism", "hash_len", "salt_len", "type")
        super().__init__(**{name: getattr(hasher, name) for name in names})
        self.made: dict[str | bytes, str] = {}
        self.answers: dict[tuple[str | bytes, str | bytes], bool] = {}

    def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:
        """A hash whose password is known; see :meth:`argon2.PasswordHasher.hash`."""
        if password not in self.made or salt is not None:
            self.made[password] = super().hash(password, salt=salt)
        self.answers[self.made[password], password] = True
        return self.made[password]

    def verify(self, hash: str | bytes, password: str | bytes) -> bool:
        """Whether the hash is of this password; see :meth:`argon2.PasswordHasher.verify`."""
        if (hash, password) not in self.answers:
            try:
                self.answers[hash, password] = bool(super().verify(hash, password))
            except VerifyMismatchError:
                self.answers[hash, password] = False
        if not self.answers[hash, password]:
            raise VerifyMismatchError
        return True
