"""The models of accounts and sessions, and the normal form of an address."""

from __future__ import annotations

from datetime import datetime

from email_validator import EmailNotValidError, validate_email
# <% if cookiecutter.auth == "oidc" %>
from sqlalchemy import BigInteger, ForeignKey, String, UniqueConstraint, text
# <% else %>
from sqlalchemy import BigInteger, ForeignKey, String, text
# <% endif %>
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.database import Base, PublicId, UTCDateTime, new_public_id, now
from app.database.secret_string import SecretString
from app.normalization import normalize
from app.secret import Secret

MAX_EMAIL = 254  # RFC 5321 section 4.5.3.1.3, without the angle brackets
# <% if cookiecutter.auth == "oidc" %>
MAX_SUBJECT = 255  # OpenID Connect Core 1.0 section 2
LOCAL = ""  # the issuer of the accounts that were made here, for emergencies
# <% endif %>


class Attempts:
    """Wrong passwords in a row, as :mod:`app.auth.throttling` counts them."""

    failures: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    failed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)  # the last of them
    # Attempts that came too early, since the last success.
    refusals: Mapped[int] = mapped_column(default=0, server_default=text("0"))


class User(Attempts, Base):
    """An account. ``password_hash`` never leaves this row; ``repr`` shows the id alone."""

    __tablename__ = "users"
    # <% if cookiecutter.auth == "oidc" %>
    __table_args__ = (UniqueConstraint("subject", "issuer"),)
    # <% endif %>

    id: Mapped[int] = mapped_column(primary_key=True)
    # <% if cookiecutter.auth == "oidc" %>
    # Issuer and subject identify the account. The address below is only shown: several accounts may
    # claim the same one.
    issuer: Mapped[str] = mapped_column(String(MAX_SUBJECT))
    subject: Mapped[Secret] = mapped_column(SecretString(MAX_SUBJECT))
    is_operator: Mapped[bool] = mapped_column(default=False)
    email: Mapped[Secret] = mapped_column(SecretString(MAX_EMAIL), index=True)
    # <% else %>
    email: Mapped[Secret] = mapped_column(SecretString(MAX_EMAIL), unique=True)
    # <% endif %>
    password_hash: Mapped[str | None] = mapped_column(String(255))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    disabled_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # <% if cookiecutter.auth != "oidc" %>
    # From when on the next sign-in removes the second factors; see app.auth.factor_resets.
    factors_end_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # <% endif %>
    # What the account stores, as app.quotas counts it.
    stored_rows: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    stored_bytes: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))

    def __repr__(self) -> str:
        return f"<User {self.id}>"


class Decoy(Attempts, Base):
    """The row that a failed sign-in to an unknown account writes; see app.auth.throttling."""

    __tablename__ = "decoys"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)


class Session(Attempts, Base):
    # <% if cookiecutter.auth == "oidc" %>
    """A sign-in that has not ended. Only the SHA-256 of its token is stored."""
    # <% else %>
    """A sign-in that has not ended. Only the SHA-256 of its token is stored.

    It counts wrong passwords when the password is changed: a thief's session has its own delay, and
    an attacker at the sign-in form does not keep the owner from a new password.
    """
    # <% endif %>

    __tablename__ = "sessions"

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(PublicId, unique=True, default=new_public_id)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    last_seen_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now, index=True)
    address: Mapped[str] = mapped_column(String(45))  # the longest text form of an IPv6 address
    device: Mapped[str] = mapped_column(String(200))
    # How the user last proved their identity, and when; see app.auth.step_up.
    proof: Mapped[str] = mapped_column(String(16), default="", server_default=text("''"))
    proven_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # <% if cookiecutter.auth == "oidc" %>
    provider_sid: Mapped[str | None] = mapped_column(String(MAX_SUBJECT), index=True)
    # <% endif %>
    # <% if cookiecutter.auth == "session" %>
    # Whether the user chose to stay signed in; see app.auth.stay_signed_in. None: they did not.
    stays: Mapped[bool | None] = mapped_column()
    # <% endif %>

    user: Mapped[User] = relationship(lazy="joined", innerjoin=True)


def normalize_email(typed: Secret) -> Secret:
    """The one form in which an address is stored, looked up and counted.

    The local part is case-folded: two accounts that differ only in case would be a trap. The domain
    is not: case folding turns "straße.de" into "strasse.de", which belongs to somebody else. IDNA
    2008 keeps them apart. The domain is stored as Unicode (U-labels), not as "xn--..." (A-labels).

    :raises ValueError: when ``typed`` is no e-mail address. No DNS look-up is made.
    """
    if len(typed) > MAX_EMAIL:  # before anything normalizes it
        raise ValueError(f"Enter an e-mail address of at most {MAX_EMAIL} characters.")
    try:
        valid = validate_email(
            typed.reveal().strip(), check_deliverability=False, allow_smtputf8=True, strict=True
        )
    except EmailNotValidError as error:
        raise ValueError("Enter an e-mail address such as name@example.com.") from error
    normalized = Secret(normalize(f"{valid.local_part.casefold()}@{valid.domain}", MAX_EMAIL))
    if len(normalized) > MAX_EMAIL:
        raise ValueError(f"Enter an e-mail address of at most {MAX_EMAIL} characters.")
    return normalized
