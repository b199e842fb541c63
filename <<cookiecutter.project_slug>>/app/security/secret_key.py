"""Secret key: an attacker guesses ``SECRET_KEY`` or finds it published, and forges what it signs.

Start-up refuses a key that is short, that consists of words, or that is a published example.
:mod:`app.security.logs` keeps the keys out of the log. ASVS 13.3.1.
"""

from __future__ import annotations

from collections.abc import Iterator

from flask import Flask

from app.secret import Secret
from app.settings import KEY_HINT

MIN_KEY_LENGTH = 43  # characters of token_urlsafe(32): 256 bits
MIN_KEY_ALPHABET = 11  # different characters; 64 random hexadecimal digits have 12 or more
KNOWN_WORDS = (
    *("secret", "change", "example", "flask", "password", "default", "random", "insecure"),
    *("development", "production", "please"),
)
# People copy the keys of these examples.
PUBLISHED_KEYS = (
    "192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf",  # Flask
    "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",  # FastAPI
)


def init_app(app: Flask) -> None:
    """Nothing to wire: ``create_app`` sets the key, :func:`check` looks at it."""


def check(app: Flask) -> Iterator[str]:
    """Yield what makes a key weak."""
    keys = [Secret(str(it or "")) for it in (app.secret_key, *app.config["SECRET_KEY_FALLBACKS"])]
    for index, key in enumerate(keys):
        if problem := _problem(key):
            yield f"SECRET_KEY{'_FALLBACKS' if index else ''} {problem}; {KEY_HINT}"
    if len(set(keys)) < len(keys):
        yield f"SECRET_KEY_FALLBACKS repeats a key; {KEY_HINT}"


def _problem(key: Secret) -> str | None:
    if not key:
        return "is not set"
    if len(key) < MIN_KEY_LENGTH:
        return f"is shorter than {MIN_KEY_LENGTH} characters"
    if key in PUBLISHED_KEYS:
        return "is a published example"
    if len(set(key.reveal())) < MIN_KEY_ALPHABET or _consists_of_words(key):
        return "can be guessed"
    return None


def _consists_of_words(key: Secret) -> bool:
    """Whether a key is a sentence, as in tutorials.

    Of a million random keys, two contain "flask" by chance and must pass. So it takes two words, or
    one word in a key that lacks capitals, small letters or digits.
    """
    text = key.reveal()
    words = sum(word in text.lower() for word in KNOWN_WORDS)
    is_mixed = all(any(map(kind, text)) for kind in (str.isupper, str.islower, str.isdigit))
    return words > 1 or (words == 1 and not is_mixed)
