"""Tokens: a token is stolen, forged, or used after the session has ended.

An access token is a JWT (RFC 9068) that is valid for a few minutes. Only this service makes and
reads it, so a secret signs it. A token cannot choose how it is checked (RFC 8725, section 3):
algorithm and type are constant, the header has exactly our three entries, and ``kid`` selects one
of our keys. ``sid`` names the session, which is read on every request: a token ends with it.

A refresh token is opaque, stored as a hash and valid for one use, which returns the next one. A
second use means that it was copied, so the session ends (RFC 9700, section 4.14.2). The signature
distinguishes a used token of ours from a forged one. ASVS 9.1.1-9.2.4.
"""

from __future__ import annotations

import hmac
import secrets
from datetime import UTC, datetime
from functools import cache, partial
from hashlib import sha256
from typing import Any

import jwt
from flask import current_app
from itsdangerous import BadSignature, Signer
from sqlalchemy import delete, update

from app.auth import sessions
from app.auth.models import Session
from app.auth.schemas import TokenPair
from app.auth.sessions import ACCESS_LIFETIME, LEEWAY
from app.database import db, new_public_id, now
from app.database.rows import change
from app.secret import Secret, hash_secret
from app.security.logs import security_event

ALGORITHM = "HS256"
TYPE = "at+jwt"  # RFC 9068; no other kind of token is accepted as an access token
HEADER = {"alg", "kid", "typ"}  # no other: crit, jku, jwk, x5u, b64
CLAIMS = ["aud", "exp", "iat", "iss", "jti", "nbf", "sid", "sub"]
new_token = partial(secrets.token_urlsafe, 32)  # bytes


def pair(session: Session, token: Secret) -> TokenPair:
    """The two tokens of a session. Call it before the commit, after which the session may end.

    :param token: the 256 random bits whose hash the session has.
    """
    (key_id, key), *_ = _keys().items()
    issued = datetime.now(UTC)
    claims = {
        "iss": issuer(),
        "aud": audience(),
        "sub": str(session.user_id),
        "sid": session.public_id,
        "jti": new_public_id(),
        "iat": issued,
        "nbf": issued,
        "exp": issued + ACCESS_LIFETIME,
    }
    return TokenPair(
        access_token=jwt.encode(claims, key, ALGORITHM, {"typ": TYPE, "kid": key_id}),
        expires_in=int(ACCESS_LIFETIME.total_seconds()),
        refresh_token=_signer().sign(f"{session.public_id}.{token.reveal()}").decode(),
    )


def session_of(access_token: Secret) -> Session | None:
    """The session of a valid access token; None for any other."""
    try:
        header = jwt.get_unverified_header(access_token.reveal())
        key = _keys().get(header["kid"]) if header.keys() == HEADER else None
        if key is None or header["typ"] != TYPE:
            return None
        claims: dict[str, Any] = jwt.decode(
            access_token.reveal(),
            key,
            algorithms=[ALGORITHM],
            issuer=issuer(),
            audience=audience(),
            leeway=LEEWAY,
            options={"require": CLAIMS, "strict_aud": True, "enforce_minimum_key_length": True},
        )
    except jwt.PyJWTError:
        return None
    session = sessions.find(str(claims["sid"]))
    return session if session and claims["sub"] == str(session.user_id) else None


def rotate(refresh_token: Secret) -> TokenPair | None:
    """Exchange a refresh token for the next pair of tokens; None when it is not valid.

    One statement decides: of several uses at the same time one succeeds, the others are reuses.
    """
    public_id, token = refresh_parts(refresh_token)
    session = sessions.find(public_id) if public_id else None
    if session is None:
        return None
    user_id, this_session = session.user_id, Session.public_id == public_id
    new = Secret(new_token())
    use = update(Session).where(this_session, Session.token_hash == hash_secret(token))
    use = use.values(token_hash=hash_secret(new), last_seen_at=now())
    if change(use, sessions.OF_ALL) == 1:
        tokens = pair(session, new)
        db.session.commit()
        return tokens
    security_event("authn_token_reuse", account=user_id)
    db.session.execute(delete(Session).where(this_session), execution_options=sessions.OF_ALL)
    db.session.commit()
    return None


def refresh_parts(refresh_token: Secret) -> tuple[str, Secret]:
    """Session id and secret of a refresh token; empty when we did not sign it."""
    try:
        public_id, _, token = _signer().unsign(refresh_token.reveal()).decode().partition(".")
    except BadSignature:
        return "", Secret("")
    return public_id, Secret(token)


def issuer() -> str:
    """This service, in the claim ``iss``."""
    return f"https://{current_app.config['SETTINGS'].trusted_hosts[-1]}"


def audience() -> str:
    """The API, in the claim ``aud``."""
    return f"{issuer()}/api/v1"


def _secrets() -> list[Secret]:
    """The keys of the service, the present one first: a rotation signs nobody out."""
    keys = [str(current_app.secret_key), *current_app.config["SECRET_KEY_FALLBACKS"]]
    return [Secret(key) for key in keys]


def _keys() -> dict[str, bytes]:
    return dict(_derived(secret) for secret in _secrets())


@cache
def _derived(secret: Secret) -> tuple[str, bytes]:
    """The id and the key of access tokens; it signs nothing else (RFC 8725, section 3.8)."""
    key = hmac.digest(secret.encoded(), b"access token", "sha256")
    return sha256(key).hexdigest()[:16], key


def _signer() -> Signer:
    oldest_first = [secret.reveal() for secret in reversed(_secrets())]
    return Signer(oldest_first, "refresh token", key_derivation="hmac", digest_method=sha256)
