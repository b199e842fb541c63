"""The form of a personal access token: one is left in a repository, and no scanner finds it.

A prefix that no other service has, 256 random bits in base64url, and a checksum: as GitHub, npm and
PyPI make theirs. ``.gitleaks.toml`` has the prefix for ``make secrets``; a scanner of a code host
takes the same pattern. The checksum lets the service refuse a text that is no token before it asks
the database. It is the CRC-32 of all characters before it, and no protection: anybody can compute
it.
"""

from __future__ import annotations

import string
import zlib

from app.secret import Secret
from app.settings import PAT_PREFIX

DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase  # base62, as GitHub has it
RANDOM = 43  # characters of 256 bits in base64url
CHECKSUM = 6  # characters of 32 bits in base62


def is_personal(token: Secret) -> bool:
    """Whether a text has the prefix of a personal access token, valid or not."""
    return token.reveal().startswith(PAT_PREFIX)


def wrap(drawn: Secret) -> Secret:
    """The token with these random characters."""
    body = PAT_PREFIX + drawn.reveal()
    return Secret(body + checksum(body))


def unwrap(token: Secret) -> Secret | None:
    """The random characters of a token; None for what cannot be one."""
    if not is_personal(token) or len(token) != len(PAT_PREFIX) + RANDOM + CHECKSUM:
        return None
    body, end = token.reveal()[:-CHECKSUM], token.reveal()[-CHECKSUM:]
    return Secret(body[len(PAT_PREFIX) :]) if checksum(body) == end else None


def checksum(text: str) -> str:
    """The CRC-32 of a text in base62, the most significant digit first."""
    number, digits = zlib.crc32(text.encode("utf-8", "surrogatepass")), ""
    for _ in range(CHECKSUM):
        number, digit = divmod(number, len(DIGITS))
        digits = DIGITS[digit] + digits
    return digits
