"""Sensitive data exposure: a key that others know, a debugger on the internet, a cached page.

Start-up refuses a ``SECRET_KEY`` that can be guessed or has been published, because whoever knows
it can forge what it signs. ``/.well-known/security.txt`` tells finders where to write (RFC 9116).
Redaction is in :mod:`app.security.logs`, ``no-store`` in :mod:`app.security.headers`. ASVS 13.3.1,
13.4.2, 14.2.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from flask import Flask, Response, current_app, request

from app.database import now
from app.security.access import public
from app.settings import KEY_HINT

MIN_KEY_LENGTH = 43  # characters of token_urlsafe(32): 256 bits
MIN_KEY_ALPHABET = 11  # different characters; 64 random hexadecimal digits have 12 or more
KNOWN_WORDS = (
    *("secret", "change", "example", "flask", "password", "default", "random", "insecure"),
    *("development", "production", "please"),
)
# Keys that documentations print and people copy.
KNOWN_KEYS = (
    "192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf",  # Flask
    "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",  # FastAPI
)
EXPIRES_AFTER = timedelta(days=180)  # RFC 9116 section 2.5.5: less than a year


def init_app(app: Flask) -> None:
    """Serve security.txt."""
    app.add_url_rule("/.well-known/security.txt", "security_txt", security_txt)


def check(app: Flask) -> Iterator[str]:
    """Yield what would give a secret away."""
    keys = [app.secret_key or "", *app.config["SECRET_KEY_FALLBACKS"]]
    for index, key in enumerate(keys):
        if problem := _key_problem(str(key)):
            yield f"SECRET_KEY{'_FALLBACKS' if index else ''} {problem}; {KEY_HINT}"
    if len(set(keys)) < len(keys):
        yield f"SECRET_KEY_FALLBACKS repeats a key; {KEY_HINT}"
    contact = app.config["SETTINGS"].security_contact
    if not contact.startswith(("mailto:", "https://")):
        yield "SECURITY_CONTACT is no address; write mailto:... or https://..."


def _key_problem(key: str) -> str | None:
    if not key:
        return "is not set"
    if len(key) < MIN_KEY_LENGTH:
        return f"is shorter than {MIN_KEY_LENGTH} characters"
    if key in KNOWN_KEYS:
        return "is printed in a documentation"
    if len(set(key)) < MIN_KEY_ALPHABET or _is_made_of_words(key):
        return "can be guessed"
    return None


def _is_made_of_words(key: str) -> bool:
    """Whether a key is a tutorial's: long enough, and a sentence.

    Of a million random keys two hold "flask" by chance, which must not refuse them: so it takes two
    words, or one in a key without capitals, small letters and digits all three.
    """
    words = sum(word in key.lower() for word in KNOWN_WORDS)
    is_mixed = all(any(map(kind, key)) for kind in (str.isupper, str.islower, str.isdigit))
    return words > 1 or (words == 1 and not is_mixed)


@public
def security_txt() -> Response:
    """Where to report a vulnerability."""
    settings = current_app.config["SETTINGS"]
    lines = [
        f"Contact: {settings.security_contact}",
        f"Expires: {(now() + EXPIRES_AFTER).isoformat()}",
        f"Canonical: {request.url_root}.well-known/security.txt",
        "Preferred-Languages: en",
    ]
    return Response("\n".join(lines) + "\n", mimetype="text/plain")
