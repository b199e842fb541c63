"""Password storage: a stolen database is guessed offline, a sign-in form online.

Only an argon2id hash is kept, at the strength of the OWASP Password Storage cheat sheet (ASVS 5.0
appendix C), made anew at sign-in when the parameters have risen. An unknown user costs as much time
as a wrong password, so that the form does not tell who has an account. Length and a blocklist
decide what a password may be, nothing else does (NIST SP 800-63B-4; ASVS 6.2.1-6.2.12, 11.4.2).
A flood of sign-ins is refused before it takes the memory and the threads of the service (15.2.2).
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from argon2 import PasswordHasher, Type, extract_parameters
from argon2.exceptions import VerificationError
from flask import Flask
from werkzeug.exceptions import ServiceUnavailable

from app.normalization import normalize
from app.security.blocklist import unexplained
from app.security.errors import RETRY_AFTER
from app.security.logs import security_event

# SP 800-63B-4 section 3.1.1.2: at least 15 characters where no second factor is asked for, at least
# 64 accepted. They are code points after normalization; nothing is stripped, nothing cut off.
MIN_LENGTH = 15
MAX_LENGTH = 128
# A password with fewer characters than this besides common words, names and patterns is built from
# them. Six random letters are 28 bits: online that is enough, as sign-in is limited by account.
MIN_UNEXPLAINED = 6
# memory_cost in KiB. FLOORS are OWASP's choices: passes and the memory that they need at least.
HASHER = PasswordHasher(time_cost=1, memory_cost=47104, parallelism=1, hash_len=32, salt_len=16)
FLOORS = {1: 47104, 2: 19456, 3: 12288, 4: 9216, 5: 7168}
# Hashes that a worker process makes at once, 46 MiB each: a flood of sign-ins would otherwise take
# all memory, until the system kills the service. They are fewer than the worker's threads
# (deploy/gunicorn.conf.py), and nobody waits for one, as waiting takes a thread too: so one thread
# is always left for those who are signed in.
SLOTS = 3
slots = threading.BoundedSemaphore(SLOTS)


def init_app(app: Flask) -> None:
    """Make the hash that unknown users are compared with; the first of them takes no longer."""
    _dummy_hash(HASHER)


def check(app: Flask) -> Iterator[str]:
    """Yield what is below OWASP's floor, as found in a hash that was really made."""
    made = extract_parameters(_dummy_hash(HASHER))
    if made.type is not Type.ID:
        yield "HASHER does not make argon2id; set type=Type.ID"
    if made.memory_cost < FLOORS.get(made.time_cost, FLOORS[5]):
        yield f"HASHER: {made.memory_cost} KiB is too little for time_cost={made.time_cost}"
    if made.hash_len < 32 or made.salt_len < 16:
        yield "HASHER: hash or salt is too short; set hash_len=32 and salt_len=16"


def hash_password(password: str) -> str:
    """The hash to store, with its parameters and a random salt: about 100 characters.

    :raises ServiceUnavailable: when as many are made already as memory is meant for.
    :raises ValueError: for a password that :func:`password_problem` finds too long.
    """
    encoded = _encode(password)
    with _slot():
        return HASHER.hash(encoded)


def verify_password(stored: str | None, password: str) -> bool:
    """Whether ``stored`` was made from ``password``; False as well when it is no hash at all.

    A password that is too long to be anybody's is wrong at once, whoever is asked for: that it took
    no hashing tells nothing about the account.

    :param stored: None for a user who does not exist: always False, after the same time.
    :raises ServiceUnavailable: as :func:`hash_password` does, whether the user exists or not.
    """
    try:
        encoded = _encode(password)
    except ValueError:
        return False
    with _slot():
        try:
            return HASHER.verify(stored or _dummy_hash(HASHER), encoded) and bool(stored)
        except (VerificationError, ValueError):
            return False


def needs_rehash(stored: str) -> bool:
    """Whether ``stored`` was made with other parameters than today's. Ask after a sign-in."""
    try:
        return HASHER.check_needs_rehash(stored)
    except ValueError:
        return True


def password_problem(password: str, *context: str) -> str | None:
    """Why ``password`` must not be chosen, as a sentence for the user; None when it is good.

    :param context: what a guesser knows: the service's name, the user's e-mail address.
    """
    try:
        length = len(_normalize(password))
    except ValueError:
        length = len(password)
    if length < MIN_LENGTH:
        return f"Use at least {MIN_LENGTH} characters, for example four or five unrelated words."
    if length > MAX_LENGTH:
        return f"Use at most {MAX_LENGTH} characters."
    if unexplained(password, *context) < MIN_UNEXPLAINED:
        return "This is easy to guess: it is made of common passwords, names or patterns."
    return None


@contextmanager
def _slot() -> Iterator[None]:
    if not slots.acquire(blocking=False):
        security_event("excess_rate_limit_exceeded", limit=f"{SLOTS} password hashes at once")
        raise ServiceUnavailable(
            "Too many people are signing in. Please try again shortly.", retry_after=RETRY_AFTER
        )
    try:
        yield
    finally:
        slots.release()


@cache
def _dummy_hash(hasher: PasswordHasher) -> str:
    return hasher.hash(secrets.token_bytes(32))


def _normalize(password: str) -> str:
    # Another keyboard composes the same letters differently: NFC, as SP 800-63B-4 section 3.1.1.2
    # and RFC 8265 section 4.2 say.
    return normalize(password, MAX_LENGTH)


def _encode(password: str) -> bytes:
    return _normalize(password).encode("utf-8", "surrogatepass")  # JSON can bring lone surrogates
