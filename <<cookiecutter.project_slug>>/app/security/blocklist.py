"""Passwords that a guesser tries first, for :mod:`app.security.passwords`.

Two tests, because each finds passwords that the other misses (NIST SP 800-63B-4 section 3.1.1.2;
ASVS 6.2.4, 6.2.11, 6.2.12). A list has the leaked passwords of our lengths, which people chose. But
nearly all that leaked is shorter, so it does not contain "Password123456!": zxcvbn estimates how
many guesses somebody needs who knows common passwords, names, words, dates and keyboards.
"""

from __future__ import annotations

import hashlib
import re
import string
from functools import cache
from pathlib import Path

from zxcvbn import zxcvbn

from app.normalization import fold
from app.secret import Secret

# The first 8 hexadecimal digits of SHA-256 of each folded password, sorted: 9,760 passwords that
# no search of this repository finds. They are 32 bits, so that a good password is refused by
# mistake in one of 200,000 cases. The template's `make leaked` writes the file.
LEAKED = Path(__file__).with_name("leaked_passwords.txt")
DIGITS = 8
# Add the names of your organisation, your products and your systems (ASVS 6.1.2). This example of a
# good password is so well known that it is a bad one.
KNOWN = ("correct horse battery staple",)
# zxcvbn calls 10**10 "very unguessable", and then accepts "iloveyousomuch123". Ten times as much
# refuses no four words drawn by chance from 7,776, and one in 25 numbers of 15 random digits.
MIN_GUESSES = 10**11
# Characters of a password that zxcvbn sees: its work grows faster than they do. The worst text of
# 28 takes 0.3 seconds, of 72 four.
MAX_JUDGED = 28
MIN_WORD = 4  # letters of a word that is taken out; shorter ones are in many good passwords
MAX_CONTEXT = 256  # characters of a name that count; an e-mail address has up to 254


def is_leaked(password: Secret) -> bool:
    """Whether the list has the password, whatever its letter case and separators.

    What is put before and after it to please a form, "123" and "!", makes no difference either.

    :raises ValueError: for a password that :func:`app.normalization.normalize` refuses as too long.
    """
    folded = fold(password.reveal(), MAX_CONTEXT)
    return any(_is_listed(it) for it in (folded, folded.strip(string.digits + string.punctuation)))


def is_guessable(password: Secret, *context: str | Secret) -> bool:
    """Whether fewer than ``MIN_GUESSES`` guesses find the password.

    :param context: what a guesser knows: the service's name, the user's e-mail address.
    :raises ValueError: as :func:`is_leaked`.
    """
    words = []
    for name in (*KNOWN, *context):
        text = name.reveal() if isinstance(name, Secret) else name
        known = text[:MAX_CONTEXT]  # it can have any length
        parts = [known, *known.split("@"), *re.split(r"[\W_]+", known)]
        words += [folded for part in parts if (folded := fold(part, MAX_CONTEXT))]
    judged = whole = fold(password.reveal(), MAX_CONTEXT)
    for word in sorted(words, key=len, reverse=True):
        if len(word) >= MIN_WORD:  # cut in two below, half of it would count as unknown
            judged = judged.replace(word, "")
    # Both: if a word is taken out of the middle of another, zxcvbn does not know the rest.
    texts = {judged, whole}
    return "" in texts or any(
        zxcvbn(text[:MAX_JUDGED], user_inputs=words)["guesses"] < MIN_GUESSES for text in texts
    )


def _is_listed(folded: str) -> bool:
    digest = hashlib.sha256(folded.encode("utf-8", "surrogatepass")).hexdigest()
    return f"\n{digest[:DIGITS]}\n" in _leaked()


@cache
def _leaked() -> str:
    return "\n" + LEAKED.read_text(encoding="ascii")
