"""Input and output of the routes for accounts. A password is taken as it was typed."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from app.auth.models import MAX_EMAIL, normalize_email
from app.fields import SecretText
from app.security.passwords import MAX_LENGTH, MIN_LENGTH
from app.validation import Model

Email = Annotated[
    SecretText,
    Field(json_schema_extra={"format": "email", "maxLength": MAX_EMAIL}),
    AfterValidator(normalize_email),
]
# Only for the API's description: :func:`password_problem` decides, and counts after normalization.
NewPassword = Annotated[
    SecretText, Field(json_schema_extra={"minLength": MIN_LENGTH, "maxLength": MAX_LENGTH})
]
# What the repr of a body or an answer leaves out; a log or a traceback may show one.
Hidden = Annotated[str, Field(repr=False)]
# By which a device is known, see app.auth.devices: None when the client already has it. A body has
# none before the first sign-in.
DeviceToken = Annotated[str | None, Field(repr=False)]


class Address(Model):
    """An address to which a mail goes."""

    email: Email


class LinkPassword(Model):
    """A password, and the code of a mail that allows to set it."""

    token: SecretText
    password: NewPassword
    device_token: SecretText | None = None


class LinkToken(Model):
    """The code of a mail."""

    token: SecretText


class Credentials(Model):
    """A sign-in, without rules: the answer must not tell whether an account exists."""

    email: SecretText
    password: SecretText
    device_token: SecretText | None = None


class RefreshToken(Model):
    """The present refresh token."""

    refresh_token: SecretText


class TokenPair(Model):
    """The tokens of a signed-in client; the field names are those of RFC 6749, section 5.1."""

    access_token: Hidden
    token_type: Literal["Bearer"] = "Bearer"  # the name of a scheme # noqa: S105
    expires_in: int  # seconds until the access token expires
    refresh_token: Hidden


class SignedIn(TokenPair):
    """The tokens of a client that has just signed in."""

    device_token: DeviceToken


class KnownDevice(Model):
    """The token of a device that is known from now on."""

    device_token: DeviceToken


class PasswordChange(Model):
    """A new password and the present one: a stolen access token is not enough."""

    current_password: SecretText
    new_password: NewPassword
    device_token: SecretText | None = None


class Profile(Model):
    """The account of the signed-in user."""

    email: Hidden
    created_at: datetime
    factors_end_at: datetime | None  # from when on a sign-in removes the second factors
