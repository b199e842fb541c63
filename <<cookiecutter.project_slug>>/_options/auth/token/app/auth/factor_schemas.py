"""Input and output of the routes for second factors and fresh proofs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from app.auth.passkeys import MAX_NAME
from app.auth.schemas import Hidden, TokenPair
from app.fields import PlainText, SecretText
from app.validation import Model

# The JSON of a PublicKeyCredential, as its toJSON() writes it: WebAuthn level 3 section 5.1.
# Checked by app.auth.passkey_ceremonies, after the challenge is used up.
Credential = Annotated[dict[str, Any], Field(repr=False)]


class TicketOnly(Model):
    """The ticket of a sign-in that waits for its second factor."""

    ticket: SecretText


class CodeAnswer(Model):
    """The second step of a sign-in: a code of the app, or a recovery code."""

    ticket: SecretText
    code: SecretText
    device_token: SecretText | None = None


class PasskeyAnswer(Model):
    """A sign-in by a passkey, alone or as the second step."""

    ticket: SecretText
    credential: Credential
    device_token: SecretText | None = None


class PasskeyProof(Model):
    """A fresh proof by a passkey."""

    ticket: SecretText
    credential: Credential


class Proof(Model):
    """A fresh proof: the password, or where the account has a second factor, a code of it."""

    password: SecretText | None = None
    code: SecretText | None = None


class Options(Model):
    """What to ask the authenticator: WebAuthn level 3 sections 5.1.8 and 5.1.9."""

    model_config = ConfigDict(extra="allow")

    challenge: str


class Challenge(Model):
    """What to ask the authenticator, and the ticket that its answer needs."""

    ticket: Hidden
    options: Options


class Code(Model):
    """The first code of an authenticator app.

    If it replaces another app, the device that is named stays known, see :mod:`app.auth.devices`.
    """

    code: SecretText
    device_token: SecretText | None = None


class AppSecret(Model):
    """What an authenticator app needs: the secret in base32, and the text of a QR code with it."""

    secret: Hidden
    uri: Hidden


class RecoveryCodes(Model):
    """Recovery codes. They are shown once."""

    recovery_codes: Annotated[list[str], Field(repr=False)]


class FactorAdded(TokenPair):
    """The tokens of the session, which has just proven the new factor.

    ``recovery_codes`` is empty when the account had some before.
    """

    recovery_codes: Annotated[list[str], Field(repr=False)]


class NewPasskey(Model):
    """The new credential of the authenticator, and a name that its owner chooses."""

    ticket: SecretText
    name: Annotated[str, PlainText(1, MAX_NAME)]
    credential: Credential


class PasskeyRow(Model):
    """A passkey, as its owner knows it."""

    id: str = Field(validation_alias="public_id")
    name: str
    created_at: datetime
    used_at: datetime | None


class PasskeyAdded(FactorAdded):
    """The new passkey, with new tokens of the session."""

    passkey: PasskeyRow


class Factors(Model):
    """What protects the account: ``recovery_codes`` says how many are left."""

    app: bool
    passkeys: list[PasskeyRow]
    recovery_codes: int
