"""Unicode normalization, bounded: the text of one request stops a worker for minutes.

Until June 2026 CPython sorted combining characters in quadratic time and blocked all threads of the
process meanwhile (gh-149079): 40,000 characters take four seconds, a megabyte takes minutes. So the
length is checked first, whatever the version of Python. Only this module normalizes. ASVS 15.2.2,
2.2.1.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import groupby
from typing import Literal

# NFC composes one code point of 4 at most: a Greek letter with three accents (U+1FAF). So text of
# more than 4 times the maximum is longer than the maximum afterwards.
MAX_COMPOSED = 4
SHORT_TEXT = 1024  # characters; an old CPython sorts any of them in 4 ms
# Combining characters in a row, in longer text: Unicode Standard Annex #15, section 13 (Stream-Safe
# Text Format). No language needs so many; only long runs are slow.
MAX_MARKS = 30
SEPARATORS = re.compile(r"[\s_.,+/-]+")


def normalize(text: str, maximum: int, form: Literal["NFC", "NFKC"] = "NFC") -> str:
    """``text`` in a normalization form of Unicode, in linear time.

    :param maximum: characters that the caller accepts in the result. The caller still counts them:
        this function refuses only text that is certainly longer.
    :raises ValueError: with a sentence for the user, for text of more than four times ``maximum``
        and for long text with too many combining characters in a row.
    """
    if len(text) > maximum * MAX_COMPOSED:
        raise ValueError(f"Enter at most {maximum} characters.")
    if len(text) > SHORT_TEXT and most_marks(text) > MAX_MARKS:
        raise ValueError(f"Use at most {MAX_MARKS} combining characters in a row.")
    return unicodedata.normalize(form, text)


def fold(text: str, maximum: int) -> str:
    """``text`` without letter case, separators and variants of characters, to compare with others.

    :param maximum: as in :func:`normalize`.
    :raises ValueError: as in :func:`normalize`.
    """
    return SEPARATORS.sub("", normalize(text, maximum, "NFKC").casefold())


def most_marks(text: str) -> int:
    """The longest run of combining characters (general category M) in ``text``."""
    # By Unicode's stability policy, every character that is sorted has this category. The combining
    # class would miss U+0F73: it has none and decomposes into two characters that have one.
    runs = groupby(unicodedata.category(character)[0] == "M" for character in text)
    return max((sum(1 for _ in run) for is_mark, run in runs if is_mark), default=0)
