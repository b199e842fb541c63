"""The limit of sign-in: somebody tries passwords."""

from __future__ import annotations

from app.auth import identity
from app.security.limit_keys import client_address, hashed_key
from app.security.rate_limits import SIGN_IN, limited


def attempted_account() -> str:
    """The key of the account that somebody tries to sign in to."""
    return hashed_key("account", identity.attempted_account())


sign_in = limited("sign_in", SIGN_IN, client_address, attempted_account)
