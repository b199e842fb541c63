"""The rate limit of sign-in, by address and by account."""

from __future__ import annotations

from app.auth import identity
from app.security.limit_keys import client_address, hashed_key
from app.security.rate_limits import SIGN_IN, limited


def attempted_account() -> str:
    """The key of the account that the request names."""
    return hashed_key("account", identity.attempted_account())


sign_in = limited("sign_in", SIGN_IN, client_address, attempted_account)
