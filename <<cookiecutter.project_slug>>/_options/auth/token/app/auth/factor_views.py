"""Second factors: what protects the account, the authenticator app, recovery codes."""

from __future__ import annotations

from flask import Blueprint
from werkzeug.exceptions import NotFound

from app import api
from app.auth import identity, passkeys, recovery_codes, second_factors, totp, totp_codes
from app.auth.factor_schemas import (
    AppSecret,
    Code,
    FactorAdded,
    Factors,
    PasskeyRow,
    RecoveryCodes,
)
from app.auth.second_factors import WRONG_CODE
from app.auth.step_up import part_of_set_up
from app.database import db
from app.secret import Secret
from app.security import rate_limits
from app.security.access import fresh
from app.validation import InvalidInput

blueprint = Blueprint("second_factors", __name__, url_prefix="/api/v1/me/second-factors")


@blueprint.get("")
@part_of_set_up
@api.operation("What protects the account", answer=Factors)
def index() -> Factors:
    user = identity.current_user()
    return Factors(
        app=totp.is_enabled(user),
        passkeys=[shown(passkey) for passkey in passkeys.of_user(user)],
        recovery_codes=recovery_codes.left(user),
    )


@blueprint.post("/app")
@fresh
@part_of_set_up
@rate_limits.credential_change
@api.operation(
    "A new secret for an authenticator app; it protects nothing before its first code",
    answer=AppSecret,
)
def begin_app() -> AppSecret:
    session = identity.locked_session()
    secret = totp.begin(session)
    answer = AppSecret(secret=secret.reveal(), uri=totp_codes.uri(session.user, secret))
    db.session.commit()
    return answer


@blueprint.put("/app")
@fresh
@part_of_set_up
@rate_limits.credential_change
@api.operation(
    "Enable the authenticator app by its first code. If it replaces another one, every other"
    " sign-in ends, and so do all personal access tokens",
    body=Code,
    answer=FactorAdded,
)
def enable_app(body: Code) -> FactorAdded:
    found = second_factors.set_app_up(identity.locked_session(), body.code)
    if found is None:
        db.session.rollback()
        raise InvalidInput(("#/code", WRONG_CODE))
    codes = texts(found)
    answer = FactorAdded(**identity.prove("code").model_dump(), recovery_codes=codes)
    db.session.commit()
    return answer


@blueprint.delete("/app")
@fresh
@rate_limits.credential_change
@api.operation(
    "Remove the authenticator app: every other sign-in and all personal access tokens end",
    status=204,
    errors=[404, 409],
)
def remove_app() -> None:
    if not second_factors.remove_app(identity.locked_session()):
        raise NotFound
    db.session.commit()


@blueprint.post("/recovery-codes")
@fresh
@rate_limits.credential_change
@api.operation(
    "New recovery codes, shown once: the old ones end", answer=RecoveryCodes, errors=[409]
)
def new_recovery_codes() -> RecoveryCodes:
    codes = texts(second_factors.new_recovery_codes(identity.locked_session().user))
    db.session.commit()
    return RecoveryCodes(recovery_codes=codes)


def shown(passkey: passkeys.Passkey) -> PasskeyRow:
    """A passkey, as its owner sees it."""
    return PasskeyRow.model_validate(passkey, from_attributes=True)


def texts(codes: list[Secret]) -> list[str]:
    """Recovery codes, to be shown once."""
    return [code.reveal() for code in codes]
