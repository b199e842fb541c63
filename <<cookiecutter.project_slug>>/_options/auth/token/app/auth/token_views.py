"""The personal access tokens of the user: make one for a script, list and revoke them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from flask import Blueprint, url_for
from pydantic import Field
from sqlalchemy import select
from werkzeug.exceptions import NotFound

from app import api
from app.auth import identity, personal_tokens
from app.auth.personal_tokens import DEFAULT_DAYS, MAX_DAYS, MAX_NAME, PersonalToken, Scope
from app.auth.schemas import Hidden
from app.database import db
from app.fields import PlainText
from app.security import rate_limits
from app.security.access import fresh
from app.validation import Model

blueprint = Blueprint("personal_tokens", __name__, url_prefix="/api/v1/me/tokens")


class NewToken(Model):
    """A name by which its owner knows the token, what it may do, and for how many days."""

    name: Annotated[str, PlainText(1, MAX_NAME)]
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=2)]
    days: Annotated[int, Field(ge=1, le=MAX_DAYS)] = DEFAULT_DAYS


class TokenRow(Model):
    """A token, as its owner knows it; ``last_used_at`` is exact to a few minutes."""

    id: str
    name: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None


class Tokens(Model):
    """All tokens of the user, the oldest first; also those that have ended, for 30 days."""

    tokens: list[TokenRow]


class TokenCreated(TokenRow):
    """A new token. Its text is shown this once."""

    token: Hidden


@blueprint.get("")
@api.operation("List the personal access tokens", answer=Tokens)
def index() -> Tokens:
    # Only the user's own: app.security.scope.
    found = db.session.scalars(select(PersonalToken).order_by(PersonalToken.id))
    return Tokens(tokens=[shown(row) for row in found])


@blueprint.post("")
@fresh
@rate_limits.credential_change
@api.operation(
    "Make a personal access token for a script; it is shown once",
    body=NewToken,
    answer=TokenCreated,
    status=201,
    errors=[409],
)
def create(body: NewToken) -> tuple[TokenCreated, dict[str, str]]:
    user, lifetime = identity.locked_session().user, timedelta(days=body.days)
    row, token = personal_tokens.create(user, body.name, body.scopes, lifetime)
    answer = TokenCreated(**shown(row).model_dump(), token=token.reveal())
    db.session.commit()
    return answer, {"Location": url_for(".revoke", public_id=answer.id)}


@blueprint.delete("/<public_id:public_id>")
@fresh
@api.operation("Revoke a personal access token: it ends at once", status=204)
def revoke(public_id: str) -> None:
    identity.locked_session()
    row = db.session.scalar(select(PersonalToken).where(PersonalToken.public_id == public_id))
    if row is None:
        raise NotFound
    personal_tokens.revoke(row)
    db.session.commit()


def shown(row: PersonalToken) -> TokenRow:
    """A token, as its owner sees it."""
    return TokenRow(
        id=row.public_id,
        name=row.name,
        scopes=row.scopes.split(),
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
    )
