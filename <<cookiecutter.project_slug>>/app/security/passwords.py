"""Password storage: passwords are guessed, offline from a stolen database or online by signing in.

The database keeps argon2id hashes alone, at the strength of the OWASP Password Storage cheat sheet
(ASVS 5.0 appendix C); sign-in renews a hash when the parameters have risen. An unknown user costs
as much time as a wrong password, so that the form does not reveal accounts. A password needs a
length and must not be easy to guess; there are no other rules (NIST SP 800-63B-4; ASVS
6.2.1-6.2.12 but 6.2.8, 11.4.2).
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from functools import cache

from argon2 import PasswordHasher, Type, extract_parameters
from argon2.exceptions import VerificationError
from flask import Flask

from app.normalization import normalize
from app.secret import Secret
from app.security.blocklist import is_guessable, is_leaked
from app.security.breaches import is_breached
from app.security.hash_slots import hash_slot

# SP 800-63B-4 section 3.1.1.2: at least 15 characters where no second factor is asked for, at least
# 64 accepted. They are code points after normalization; nothing is stripped, nothing cut off.
MIN_LENGTH = 15
MAX_LENGTH = 128
LEAKED = "This password is in a list of leaked passwords, which attackers try first."
# memory_cost in KiB. FLOORS are OWASP's choices: passes and the memory that they need at least.
HASHER = PasswordHasher(time_cost=1, memory_cost=47104, parallelism=1, hash_len=32, salt_len=16)
FLOORS = {1: 47104, 2: 19456, 3: 12288, 4: 9216, 5: 7168}


def init_app(app: Flask) -> None:
    """Make the hash for unknown users now, so that the first of them takes no longer."""
    _dummy_hash(HASHER)


def check(app: Flask) -> Iterator[str]:
    """Yield each parameter of a real hash that is below OWASP's minimum."""
    made = extract_parameters(_dummy_hash(HASHER))
    if made.type is not Type.ID:
        yield "HASHER does not make argon2id; set type=Type.ID"
    if made.memory_cost < FLOORS.get(made.time_cost, FLOORS[5]):
        yield f"HASHER: {made.memory_cost} KiB is too little for time_cost={made.time_cost}"
    if made.hash_len < 32 or made.salt_len < 16:
        yield "HASHER: hash or salt is too short; set hash_len=32 and salt_len=16"


def hash_password(password: Secret) -> str:
    """The hash to store, with its parameters and a random salt: about 100 characters.

    :raises ServiceUnavailable: when all slots are taken.
    :raises ValueError: for a password that :func:`password_problem` finds too long.
    """
    normal = _normalize(password)
    with hash_slot():
        return HASHER.hash(normal.encoded())


def verify_password(stored: str | None, password: Secret) -> bool:
    """Whether ``stored`` is a hash of ``password``.

    :param stored: None for an unknown user: the result is False, after the same time. A password
        above the maximum length is refused without hashing, for every user alike.
    :raises ServiceUnavailable: when all slots are taken, whether the user exists or not.
    """
    try:
        normal = _normalize(password)
    except ValueError:
        return False
    with hash_slot():
        try:
            return HASHER.verify(stored or _dummy_hash(HASHER), normal.encoded()) and bool(stored)
        except (VerificationError, ValueError):
            return False


def needs_rehash(stored: str) -> bool:
    """Whether ``stored`` has other parameters than a new hash. Ask after a sign-in."""
    try:
        return HASHER.check_needs_rehash(stored)
    except ValueError:
        return True


def password_problem(password: Secret, *context: str | Secret) -> str | None:
    """Why a user must not choose ``password``, as a sentence; None when it is good.

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
    if is_guessable(password, *context):
        return "This is easy to guess: it consists of common passwords, names or patterns."
    if is_leaked(password) or is_breached(_normalize(password)):
        return LEAKED
    return None


@cache
def _dummy_hash(hasher: PasswordHasher) -> str:
    return hasher.hash(secrets.token_bytes(32))


def _normalize(password: Secret) -> Secret:
    # Keyboards compose the same letters differently. SP 800-63B-4 section 3.1.1.2 and RFC 8265
    # section 4.2 ask for NFC. ASVS 6.2.8 wants no change at all: SECURITY.md has the deviation.
    return Secret(normalize(password.reveal(), MAX_LENGTH))
