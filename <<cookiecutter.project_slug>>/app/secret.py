"""Secrets: a key, a password or a token in a log line, a traceback or an error page.

A secret is wrapped where it is read or made, until a library needs its text: code that prints,
formats or logs it shows ``[redacted]``. It is no ``str``, so code that forgets
:meth:`Secret.reveal` fails at once instead of using that word as a key. We do not use Pydantic's
``SecretStr``: only APIs have Pydantic, and this class compares in constant time.
"""

from __future__ import annotations

import hmac
from hashlib import sha256

REDACTED = "[redacted]"


class Secret:
    """A text that nothing shows; equal to the same text, wrapped or not."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself. Give it to what needs it, and keep it nowhere else."""
        return self._text

    def encoded(self) -> bytes:
        """The text in UTF-8, to hash it. JSON can contain lone surrogates: they are hashed, too."""
        return self._text.encode("utf-8", "surrogatepass")

    def __repr__(self) -> str:
        return REDACTED

    def __eq__(self, other: object) -> bool:
        other = Secret(other) if isinstance(other, str) else other
        return isinstance(other, Secret) and hmac.compare_digest(self.encoded(), other.encoded())

    def __hash__(self) -> int:
        return hash(self._text)

    def __bool__(self) -> bool:
        return bool(self._text)

    def __len__(self) -> int:
        return len(self._text)

    def __reduce__(self) -> str:
        raise TypeError("a secret is not written to a file or a cache; reveal() it on purpose")


def hash_secret(secret: Secret) -> str:
    """The SHA-256 of a random secret, for the database: nobody can guess the secret from it.

    Never of a password, which people choose: see :mod:`app.security.passwords`.
    """
    return sha256(secret.encoded()).hexdigest()
