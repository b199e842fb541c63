"""The rate limit of sign-in, by address and by account."""

from __future__ import annotations

from app.auth.identity import attempted_account
from app.security.limit_keys import client_address
from app.security.rate_limits import SIGN_IN, limited

sign_in = limited("sign_in", SIGN_IN, client_address, attempted_account)
