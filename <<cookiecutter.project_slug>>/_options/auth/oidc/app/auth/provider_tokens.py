"""The check of ID tokens and logout tokens, claim by claim.

It follows OpenID Connect Core 1.0 sections 3.1.3.7 and 3.1.3.8 and Back-Channel Logout 1.0 section
2.6. Authlib's own check takes the list of algorithms from the provider, accepts another audience
when ``azp`` is right, and allows two minutes of difference between the clocks.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from base64 import urlsafe_b64encode
from typing import Any

from joserfc import jwt
from joserfc.errors import BadSignatureError, InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from app.auth.claims import Claims
from app.auth.models import MAX_SUBJECT
from app.auth.provider import Provider
from app.secret import Secret

# Only signatures by the provider's private key (RFC 8725 section 3.1): with HS256, a published key
# is enough to sign; with "none", no key is needed.
HASHES = {
    **{f"{kind}{bits}": f"sha{bits}" for kind in ("RS", "PS", "ES") for bits in (256, 384, 512)},
    "EdDSA": "sha512",
    "Ed25519": "sha512",
}
REGISTRY = JWSRegistry(algorithms=list(HASHES), strict_check_header=False)
LEEWAY = 30  # seconds that two clocks may differ
MAX_AGE = 300  # seconds since a token was issued; it is used at once
# The type of a logout token; most providers write JWT or none (Back-Channel Logout 1.0 section
# 2.4). A token of another type was made for another purpose (RFC 8725 section 3.11).
LOGOUT_TYPES = ("logout+jwt", "jwt")
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"


class RefusedError(Exception):
    """A token or an answer is wrong: 401. The text is only for the log."""


def id_token(token: Secret, provider: Provider, *, nonce: Secret, access_token: Secret) -> Claims:
    """The claims of an ID token that was issued for this sign-in.

    How and when the user signed in is judged by :mod:`app.auth.provider_proof`.

    :raises RefusedError: for any other token.
    """
    header, claims = _verify(token, provider)
    _require(nonce == str(claims.get("nonce", "")), "nonce")
    _require("exp" in claims, "exp")
    _require(is_name(claims.get("sub")), "sub")
    if (at_hash := claims.get("at_hash")) is not None:
        # The access token was issued with this ID token: an attacker could have replaced it.
        made = hashlib.new(HASHES[header["alg"]], access_token.reveal().encode()).digest()
        half = urlsafe_b64encode(made[: len(made) // 2]).decode().rstrip("=")
        _require(hmac.compare_digest(str(at_hash).encode(), half.encode()), "at_hash")
    return claims


def logout_token(token: Secret, provider: Provider) -> Claims:
    """The claims of a logout token; ``sub``, ``sid`` or both identify the sessions to end.

    The caller checks by ``jti`` that it was not used before.

    :raises RefusedError: for any other token, such as an ID token.
    """
    header, claims = _verify(token, provider)
    kind = str(header.get("typ", "JWT")).lower().removeprefix("application/")
    _require(kind in LOGOUT_TYPES, "typ")
    _require("exp" in claims, "exp")
    events = claims.get("events")
    _require(isinstance(events, dict) and isinstance(events.get(LOGOUT_EVENT), dict), "events")
    _require("nonce" not in claims, "nonce in a logout token")
    _require(isinstance(claims.get("jti"), str) and claims["jti"] != "", "jti")
    named = [claims[name] for name in ("sub", "sid") if name in claims]
    _require(bool(named) and all(map(is_name, named)), "sub and sid")
    return claims


def is_name(value: object) -> bool:
    """Whether this can be a ``sub`` or ``sid``: 1 to 255 ASCII characters (Core 1.0 section 2).

    Without a space at the end: MySQL ignores it, so that "alice " would be alice's account.
    """
    return (
        isinstance(value, str)
        and 0 < len(value) <= MAX_SUBJECT
        and value.isascii()
        and value.isprintable()
        and value == value.strip()
    )


def _verify(token: Secret, provider: Provider) -> tuple[dict[str, Any], Claims]:
    """Header and claims of a token that the provider has just signed for this client."""
    _require(bool(token), "token")
    keys = provider.keys()
    try:
        decoded = _decode(token, keys, provider)
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise RefusedError(f"signature: {type(error).__name__} {error}") from error
    claims, now = Claims(decoded.claims), time.time()
    client_id = provider.settings.client_id
    _require(claims.get("iss") == provider.settings.issuer, "iss")
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    _require(client_id in audiences, "aud")
    # With several audiences, azp is the client that the token was issued to.
    _require(claims.get("azp", client_id if len(audiences) == 1 else None) == client_id, "azp")
    _require(now - MAX_AGE - LEEWAY < _time(claims, "iat") <= now + LEEWAY, "iat")
    _require(_time(claims, "exp", default=now) > now - LEEWAY, "exp")
    _require(_time(claims, "nbf", default=now) <= now + LEEWAY, "nbf")
    return decoded.header, claims


def _decode(token: Secret, keys: KeySet, provider: Provider) -> jwt.Token:
    try:
        return jwt.decode(token.reveal(), keys, registry=REGISTRY)
    except (InvalidKeyIdError, BadSignatureError):
        # The keys may have been rotated since they were fetched.
        newer = provider.keys(newer_than=keys)
        if newer is keys:
            raise
        return jwt.decode(token.reveal(), newer, registry=REGISTRY)


def _time(claims: Claims, name: str, default: float | None = None) -> float:
    value = claims.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RefusedError(f"{name}: no time")
    return value


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise RefusedError(f"{what}: not as it must be")
