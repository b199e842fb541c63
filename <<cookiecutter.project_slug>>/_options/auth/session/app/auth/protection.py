"""What protects an account, and what its owner should do next, for the pages that say so."""

from __future__ import annotations

from dataclasses import dataclass

from app.auth import passkeys, recovery_codes, second_factors, totp
from app.auth.models import User
from app.auth.passkeys import Passkey

FEW = 3  # recovery codes left, or fewer: time for new ones


@dataclass(frozen=True)
class Protection:
    """What protects an account besides its password.

    :param codes: how many recovery codes are left.
    :param required: whether the service requires a second factor.
    """

    app: bool
    passkeys: list[Passkey]
    codes: int
    required: bool

    @classmethod
    def of(cls, user: User) -> Protection:
        """Of this user."""
        return cls(
            app=totp.is_enabled(user),
            passkeys=passkeys.of_user(user),
            codes=recovery_codes.left(user),
            required=second_factors.are_required(),
        )

    @property
    def factors(self) -> int:
        """How many second factors there are."""
        return self.app + len(self.passkeys)

    @property
    def next_step(self) -> str:
        """What to do next; empty when there is nothing."""
        if not self.factors:
            return "Add a passkey or an authenticator app: your password alone opens the account."
        if self.codes <= FEW:
            return f"Create new recovery codes: {self.codes or 'none'} left."
        if self.factors == 1:
            return "Add a second passkey or an app, on another device: one of them may be lost."
        return ""
