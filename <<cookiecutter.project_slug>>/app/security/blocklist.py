"""Passwords that a guesser tries first, for :mod:`app.security.passwords`.

Nearly all leaked passwords are shorter than our minimum, so a list of them is not enough: it does
not contain "Password123456!". Therefore the whole password is measured: how many characters remain
besides common words, names of the account and patterns (NIST SP 800-63B-4 section 3.1.1.2; ASVS
6.2.4, 6.2.11).
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from app.normalization import normalize

COMMON = Path(__file__).with_name("common_passwords.txt")  # lower case, at least 4 characters each
MAX_CONTEXT = 256  # characters of a name that count; an e-mail address has up to 254
SEPARATORS = dict.fromkeys(map(ord, " -_.,+/"))
# "l33t" for "leet"; 1 and ! stand for i and for l.
LEET = [str.maketrans("0134578@$!", f"o{i}eastbas{i}") for i in "il"]
# Neighbours in the alphabet, among the digits and on keyboards (QWERTY, QWERTZ, AZERTY).
ROWS = (
    "abcdefghijklmnopqrstuvwxyz 01234567890 qwertyuiop asdfghjkl zxcvbnm qwertzuiop yxcvbnm"
    " azertyuiop qsdfghjklm wxcvbn 1q2w3e4r5t6y7u8i9o0p q1w2e3r4t5y6u7i8o9p0"
    " 1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p qazwsxedcrfvtgbyhnujmikolp !@#$%^&*()"
)


def unexplained(password: str, *context: str) -> int:
    """How many characters belong to no common word, no word of ``context`` and no pattern.

    Letter case, separators and look-alike digits make no difference.

    :raises ValueError: for a password that :func:`normalize` refuses as too long.
    """
    text = _fold(password)
    words = set(_common_words())
    for known in (name[:MAX_CONTEXT] for name in context):  # an e-mail address can have any length
        words.update(map(_fold, [known, *known.split("@"), *re.split(r"[\W_]+", known)]))
    explained: set[int] = set()
    for view in (text, *map(text.translate, LEET)):
        for word in words:
            start = view.find(word) if len(word) >= 4 else -1
            while start >= 0:
                explained.update(range(start, start + len(word)))
                start = view.find(word, start + 1)
    for start in range(len(text) - 2):
        three = text[start : start + 3]
        row = three in ROWS or three[::-1] in ROWS
        if row or three == three[0] * 3 or three in text[: start + 2]:
            explained.update(range(start, start + 3))
    return len(text) - len(explained)


def _fold(text: str) -> str:
    return normalize(text, MAX_CONTEXT, "NFKC").casefold().translate(SEPARATORS)


@cache
def _common_words() -> frozenset[str]:
    return frozenset(COMMON.read_text(encoding="utf-8").split())
