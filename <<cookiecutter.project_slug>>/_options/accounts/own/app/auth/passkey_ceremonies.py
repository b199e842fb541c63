"""Ceremonies of passkeys: an attacker who has the password, or a phishing page, signs in.

A passkey is a key pair of WebAuthn. The signature names the site that the browser shows, so that a
phishing site gets no usable one; the service has the public key alone. The authenticator must
verify its user (a fingerprint, a PIN), so a passkey is two factors and signs in without address or
password. A challenge is valid for one answer; :mod:`app.auth.passkey_requests` makes it. Origin, RP
id, type, flags, signature and counter of the answer are checked by py_webauthn. A counter that does
not go up shows that the key was copied. W3C Web Authentication level 3 sections 7.1 and 7.2; ASVS
6.3.3, 6.5.1, 6.7.2.
"""

from __future__ import annotations

import json
from typing import Any

import webauthn
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509 import InvalidVersion
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url, parse_client_data_json
from webauthn.helpers.exceptions import WebAuthnException

from app.auth import account_lock, passkeys, relying_party, tickets
from app.auth.models import User
from app.auth.passkey_requests import ALGORITHMS
from app.auth.passkeys import Passkey
from app.auth.tickets import Ticket
from app.database import db, now
from app.database.rows import change
from app.security.scope import unscoped

MAX_CREDENTIAL_ID = 1023  # bytes, WebAuthn level 3 section 7.1 step 25
MAX_ANSWER = 16_384  # characters of an answer: an attestation with certificates has a few thousand
# What a hostile answer makes the parsers raise.
MALFORMED = (
    *(WebAuthnException, ValueError, TypeError, KeyError, AttributeError, IndexError),
    *(UnsupportedAlgorithm, InvalidVersion),  # of certificates
)


class PasskeyError(ValueError):
    """An answer of an authenticator is not accepted. The text is for the log alone."""


def register(ticket: Ticket, user: User, answer: str, name: str) -> Passkey:
    """Store the passkey that an authenticator has made. The caller commits.

    :param name: one line, checked by the caller.
    :raises PasskeyError: when the answer is not accepted.
    """
    challenge, credential = _opened(ticket, answer)
    try:
        made = webauthn.verify_registration_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=relying_party.rp_id(),
            expected_origin=relying_party.allowed(),
            require_user_verification=True,
            supported_pub_key_algs=ALGORITHMS,
        )
    except MALFORMED as error:
        raise PasskeyError(f"{type(error).__name__}: {error}") from error
    # Only now: the commit that used up the challenge has released every lock.
    if not account_lock.lock(user) or not tickets.exists(ticket):
        raise PasskeyError("the account was deleted, or its sessions have just ended")
    if len(bytes_to_base64url(made.credential_public_key)) > passkeys.MAX_KEY:
        raise PasskeyError("too long a key")
    if len(made.credential_id) > MAX_CREDENTIAL_ID:
        raise PasskeyError("too long an id")
    if len(passkeys.of_user(user)) >= passkeys.MAX_PASSKEYS:
        raise PasskeyError("too many passkeys")
    passkey = Passkey(
        user_id=user.id,
        credential_hash=passkeys.hash_id(made.credential_id),
        credential_id=bytes_to_base64url(made.credential_id),
        public_key=bytes_to_base64url(made.credential_public_key),
        sign_count=made.sign_count,
        name=name,
    )
    db.session.add(unscoped(passkey, passkeys.OF_ALL["unscoped"]))
    try:
        db.session.flush()
    except IntegrityError as error:
        db.session.rollback()
        raise PasskeyError("this passkey is registered already") from error
    return passkey


def verify(ticket: Ticket, answer: str) -> User:
    """The user whose passkey has answered the challenge of this ticket. The caller commits.

    :raises PasskeyError: when the answer is not accepted, or comes from the passkey of a user whom
        the ticket does not name.
    """
    challenge, credential = _opened(ticket, answer)
    try:
        passkey = passkeys.find(base64url_to_bytes(credential["id"]))
        if passkey is None:
            raise PasskeyError("unknown passkey")
        user = db.session.get_one(User, passkey.user_id)
        if ticket.user_id not in (None, user.id):
            raise PasskeyError("the passkey of another user")
        told = credential["response"].get("userHandle")
        is_needed = told is not None or ticket.user_id is None
        if is_needed and base64url_to_bytes(told) != passkeys.handle(user):
            raise PasskeyError("another user handle")
        found = webauthn.verify_authentication_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=relying_party.rp_id(),
            expected_origin=relying_party.allowed(),
            credential_public_key=base64url_to_bytes(passkey.public_key),
            credential_current_sign_count=passkey.sign_count,
            require_user_verification=True,
        )
    except PasskeyError:
        raise
    except MALFORMED as error:
        raise PasskeyError(f"{type(error).__name__}: {error}") from error
    if not account_lock.lock(user):  # the account first: so do all others
        raise PasskeyError("the account was deleted")
    # Of two answers with the same counter, only one is accepted. Not by the id alone: when the
    # passkey was removed meanwhile, SQLite gives its id again.
    this = Passkey.id == passkey.id, Passkey.credential_hash == passkey.credential_hash
    use = update(Passkey).where(*this, Passkey.sign_count == passkey.sign_count)
    use = use.values(sign_count=found.new_sign_count, used_at=now())
    if change(use, passkeys.OF_ALL) != 1:
        raise PasskeyError("the counter has changed meanwhile")
    return user


def _opened(ticket: Ticket, answer: str) -> tuple[bytes, dict[str, Any]]:
    """The challenge of the ticket, which is used up, and the answer, not yet checked. Commits."""
    challenge = tickets.use_challenge(ticket)
    if challenge is None:
        raise PasskeyError("no challenge, or it was answered before")
    try:
        credential: dict[str, Any] = json.loads(answer if len(answer) <= MAX_ANSWER else "{}")
        sent = base64url_to_bytes(credential["response"]["clientDataJSON"])
        client_data = parse_client_data_json(sent)
    except (*MALFORMED, RecursionError) as error:
        raise PasskeyError("the answer is not one of WebAuthn") from error
    # A frame of another site has asked: clickjacking (section 7.2 step 14).
    if client_data.cross_origin:
        raise PasskeyError("asked for in a frame of another site")
    return base64url_to_bytes(challenge), credential
