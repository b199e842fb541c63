"""What the provider proved of the user: an old sign-in, or a password alone, passes for more.

The request goes through the browser, so the user, or the thief of a session, can remove from it
what the service asks for. So this module checks the signed answer: ``acr`` is one of
``OIDC_ACR_VALUES``, ``amr`` has one of ``OIDC_AMR_VALUES``, and ``auth_time`` is no older than
``OIDC_MAX_AGE`` or, in a step-up, than its start. Where neither asks, a malformed ``auth_time`` is
treated as missing, so it is no fresh proof. OpenID Connect Core 1.0 sections 2 and 3.1.2.1; RFC
8176; RFC 9470; ASVS 6.8.4, 7.5.3.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from app.auth.pending import Pending
from app.auth.provider_tokens import LEEWAY, RefusedError
from app.oidc_settings import OIDCSettings

# Seconds: max_age makes the provider say when the user signed in (Core 1.0 section 2), prompt=login
# makes it ask once more. 0 would mean the latter too, but some providers take it for no max_age, or
# ask for ever. Less than FRESH of step_up.py: without the prompt, a user whose sign-in is older is
# still asked.
STEP_UP_MAX_AGE = 300
CLAIMS = ("acr", "amr", "auth_time", "sid")  # of this sign-in: only the ID token has them
TOO_WEAK = (
    "Your provider did not ask you for the second factor that this service requires. Set one up at"
    " the provider, then sign in again."
)
TOO_OLD = (
    "Your provider did not ask you to sign in again, or does not say when you did. Sign out there,"
    " then try again."
)


class WeakProofError(RefusedError):
    """The provider did not ask the user for what this service requires: 403.

    :param advice: what the user can do.
    """

    def __init__(self, reason: str, advice: str) -> None:
        super().__init__(reason)
        self.advice = advice


def asked_for(settings: OIDCSettings, pending: Pending) -> dict[str, str]:
    """The parameters that ask the provider for a certain proof. A step-up asks for one made now.

    There is none that asks for ``amr``: what its users have to do is set at the provider.
    """
    asked = {"acr_values": " ".join(settings.acr_values)} if settings.acr_values else {}
    if pending.session_id:
        asked |= {"prompt": "login", "max_age": str(STEP_UP_MAX_AGE)}
    elif settings.max_age is not None:
        asked["max_age"] = str(settings.max_age)
    return asked


def check(claims: Mapping[str, Any], settings: OIDCSettings, pending: Pending) -> None:
    """Compare the claims of an ID token with what was asked for.

    :raises WeakProofError: when the provider has proven less.
    :raises RefusedError: when ``auth_time`` was asked for and is no time.
    """
    acr = claims.get("acr")
    if settings.acr_values and acr not in settings.acr_values:
        raise WeakProofError(f"acr: {str(acr)[:100]!r} is not in OIDC_ACR_VALUES", TOO_WEAK)
    amr = claims.get("amr")
    # One text instead of a list would be searched for parts of words.
    methods = amr if isinstance(amr, list) else []
    if settings.amr_values and not any(value in methods for value in settings.amr_values):
        raise WeakProofError(f"amr: {str(amr)[:100]!r} has none of OIDC_AMR_VALUES", TOO_WEAK)
    oldest = None
    if pending.session_id:
        oldest = pending.started_at
    elif settings.max_age is not None:
        oldest = time.time() - settings.max_age
    if oldest is None:
        return
    moment = _auth_time(claims)
    if moment is None and claims.get("auth_time") is not None:
        raise RefusedError("auth_time: no time")
    if moment is None or moment < oldest - LEEWAY:
        raise WeakProofError(f"auth_time: {moment} is none, or too old", TOO_OLD)


def proven_at(claims: Mapping[str, Any]) -> datetime | None:
    """When the user has proven it at the provider; None when the provider does not say so."""
    if (moment := _auth_time(claims)) is None:
        return None
    return datetime.fromtimestamp(int(min(moment, time.time())), UTC)


def _auth_time(claims: Mapping[str, Any]) -> float | None:
    """Seconds since 1970; None when the claim is absent, no number, or in the future."""
    value = claims.get("auth_time")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if 0 <= value <= time.time() + LEEWAY else None
