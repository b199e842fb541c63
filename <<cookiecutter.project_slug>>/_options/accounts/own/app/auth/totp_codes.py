"""Codes of an authenticator app: an attacker who has the password guesses one.

They follow RFC 6238: six digits, 30 seconds, from a secret of 160 bits. One step of difference
between the clocks is allowed. ASVS 6.5.4, 6.5.5.
"""

from __future__ import annotations

import time

import pyotp
from flask import current_app

from app.auth.models import User
from app.secret import Secret
from app.settings import SERVICE_NAME

DIGITS = 6  # what every app knows; RFC 4226 section 5.3: at least 6
STEP = 30  # seconds, RFC 6238 section 5.2
DRIFT = 1  # steps that the clocks may differ, RFC 6238 section 5.2: at most one
SECRET_LENGTH = 32  # characters in base32: 160 bits, RFC 4226 section 4


def new_secret() -> Secret:
    """A random secret, in base32."""
    return Secret(pyotp.random_base32(SECRET_LENGTH))


def uri(user: User, secret: Secret) -> str:
    """What the QR code says to the app: an ``otpauth`` address with the secret in it."""
    name = f"{SERVICE_NAME} ({current_app.config['SETTINGS'].mail.domain})"
    return _codes(secret).provisioning_uri(name=user.email.reveal(), issuer_name=name)


def step_of(secret: Secret, code: Secret) -> int | None:
    """The step that a code belongs to, when it is one of this secret and valid now."""
    codes, at = _codes(secret), time.time()
    typed = Secret(code.reveal().replace(" ", ""))
    for offset in range(-DRIFT, DRIFT + 1):
        if typed == codes.at(at, counter_offset=offset):
            return int(at) // STEP + offset
    return None


def _codes(secret: Secret) -> pyotp.TOTP:
    return pyotp.TOTP(secret.reveal(), digits=DIGITS, interval=STEP)
