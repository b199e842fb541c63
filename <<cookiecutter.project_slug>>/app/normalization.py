"""Unicode normalization, bounded: with text alone, one request stops a worker for minutes.

Until June 2026 CPython sorted combining characters in quadratic time, and no other thread of the
process ran meanwhile (gh-149079): 40,000 of them take four seconds, a megabyte takes minutes. So
the length is looked at first. This is the only module that normalizes; nothing here depends on the
version of Python. ASVS 15.2.2, 2.2.1.
"""

from __future__ import annotations

import unicodedata
from itertools import groupby
from typing import Literal

# Code points that NFC makes one of, at most: a Greek letter with three accents (U+1FAF). Whoever
# types more than this many times the maximum has more than the maximum afterwards.
MAX_COMPOSED = 4
SHORT_TEXT = 1024  # characters; whatever they are, the old CPython sorts them in 4 ms
# Combining characters in a row, in longer text: Unicode Standard Annex #15, section 13 (Stream-Safe
# Text Format). No language comes near it; only runs of them are slow.
MAX_MARKS = 30


def normalize(text: str, maximum: int, form: Literal["NFC", "NFKC"] = "NFC") -> str:
    """``text`` in a normalization form of Unicode, in a time that grows with its length alone.

    :param maximum: characters that the caller accepts of the result. The caller still counts them:
        what is refused here is only what is certain to be longer.
    :raises ValueError: with a sentence for the user, before any other work, for text of more than
        four times ``maximum``; for long text with too many combining characters in a row.
    """
    if len(text) > maximum * MAX_COMPOSED:
        raise ValueError(f"Enter at most {maximum} characters.")
    if len(text) > SHORT_TEXT and most_marks(text) > MAX_MARKS:
        raise ValueError(f"Use at most {MAX_MARKS} combining characters in a row.")
    return unicodedata.normalize(form, text)


def most_marks(text: str) -> int:
    """The longest run of combining characters (general category M) in ``text``."""
    # All that is sorted has this category, by the stability policy of Unicode. The combining class
    # alone would miss U+0F73, which has none and becomes two that have one.
    runs = groupby(unicodedata.category(character)[0] == "M" for character in text)
    return max((sum(1 for _ in run) for is_mark, run in runs if is_mark), default=0)
