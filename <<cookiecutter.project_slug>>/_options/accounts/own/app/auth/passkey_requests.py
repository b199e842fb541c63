"""What an authenticator is asked: a new passkey, or the answer of one that the account has.

The options ask for a passkey that names its account and verifies its user. A hostile script may ask
for less, so :mod:`app.auth.passkey_ceremonies` checks it in the answers. W3C Web Authentication
level 3 sections 5.4 and 5.5; ASVS 6.3.3.
"""

from __future__ import annotations

import json
from typing import Any

import webauthn
from webauthn.helpers import base64url_to_bytes
from webauthn.helpers.cose import COSEAlgorithmIdentifier as Algorithm
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from app.auth import passkeys, relying_party, tickets
from app.auth.models import User
from app.auth.tickets import Ticket
from app.settings import SERVICE_NAME

# The ones that WebAuthn level 3 section 5.4 recommends; others are refused.
ALGORITHMS = [
    Algorithm.EDDSA,
    Algorithm.ECDSA_SHA_256,
    Algorithm.RSASSA_PKCS1_v1_5_SHA_256,
]
TIMEOUT = int(tickets.LIFETIME.total_seconds()) * 1000  # milliseconds that a browser waits
VERIFIED = UserVerificationRequirement.REQUIRED


def to_answer(ticket: Ticket, user: User | None = None) -> dict[str, Any]:
    """What ``navigator.credentials.get`` asks an authenticator. The caller commits.

    :param user: whose passkey it must be; None lets the authenticator choose.
    """
    relying_party.allowed()  # refuses when there are none, before the user touches a sensor
    options = webauthn.generate_authentication_options(
        rp_id=relying_party.rp_id(),
        challenge=base64url_to_bytes(tickets.new_challenge(ticket)),
        timeout=TIMEOUT,
        allow_credentials=_descriptors(user),
        user_verification=VERIFIED,
    )
    return _as_json(options)


def to_create(ticket: Ticket, user: User) -> dict[str, Any]:
    """What ``navigator.credentials.create`` asks an authenticator. The caller commits."""
    relying_party.allowed()
    options = webauthn.generate_registration_options(
        rp_id=relying_party.rp_id(),
        rp_name=SERVICE_NAME,
        user_id=passkeys.handle(user),
        user_name=user.email.reveal(),
        challenge=base64url_to_bytes(tickets.new_challenge(ticket)),
        timeout=TIMEOUT,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=VERIFIED
        ),
        exclude_credentials=_descriptors(user),
        supported_pub_key_algs=ALGORITHMS,
    )
    return _as_json(options)


def _descriptors(user: User | None) -> list[PublicKeyCredentialDescriptor]:
    known = passkeys.of_user(user) if user else []
    return [PublicKeyCredentialDescriptor(id=base64url_to_bytes(it.credential_id)) for it in known]


def _as_json(options: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(webauthn.options_to_json(options))
    return found
