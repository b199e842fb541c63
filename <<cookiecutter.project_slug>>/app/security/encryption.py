"""Stored secrets: an attacker who reads the database, or a backup, finds a secret in plain text.

A mail that waits holds a link that sets a password. The service must read it again, so it cannot
hash it like a token; it encrypts it, with a key that HKDF (RFC 5869) derives from ``SECRET_KEY``
for one purpose alone: what was encrypted for one column cannot be read in another. Fernet
authenticates and encrypts; keys that were rotated still decrypt. Before a rotation,
:mod:`app.commands.reencryption` renews what older keys have encrypted. ASVS 11.2.2, 11.3.2, 14.2.4.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from flask import current_app

from app.secret import Secret

KEY_LENGTH = 32  # bytes, of Fernet: 128 bits to encrypt and 128 bits to authenticate


def encrypt(secret: Secret, purpose: str) -> str:
    """``secret`` for the database, readable with the keys of this service and ``purpose`` alone."""
    return _keys(purpose).encrypt(secret.reveal().encode()).decode()


def decrypt(stored: str, purpose: str) -> Secret:
    """The secret that :func:`encrypt` was given.

    :raises ValueError: when it was encrypted for another purpose, with a key that the service does
        not have any more, or was changed.
    """
    try:
        return Secret(_keys(purpose).decrypt(stored.encode()).decode())
    except InvalidToken:
        raise ValueError("this was not encrypted with a key of this service") from None


def renewed(stored: str, purpose: str) -> str | None:
    """The same secret, encrypted with the current key; None when it already is.

    :raises ValueError: as :func:`decrypt`.
    """
    current = Fernet(_derive(current_app.config["SETTINGS"].secret_key, purpose))
    try:
        current.decrypt(stored.encode())
    except InvalidToken:
        return encrypt(decrypt(stored, purpose), purpose)
    return None


def _keys(purpose: str) -> MultiFernet:
    """The current key, which encrypts, then the fallbacks, the newest first."""
    settings = current_app.config["SETTINGS"]
    secrets = [settings.secret_key, *reversed(settings.secret_key_fallbacks)]
    return MultiFernet([Fernet(_derive(it, purpose)) for it in secrets])


def _derive(secret: Secret, purpose: str) -> bytes:
    # No salt: the secret is random already (RFC 5869, section 3.1).
    derived = HKDF(SHA256(), KEY_LENGTH, salt=None, info=purpose.encode()).derive(secret.encoded())
    return urlsafe_b64encode(derived)
