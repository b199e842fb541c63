"""Who may sign in, who is an operator, and which account that is.

An account is known by issuer and subject, never by e-mail: whoever registers somebody else's
address at a provider would otherwise get into their account (OpenID Connect Core 1.0 section 5.7;
ASVS 6.8.1). Groups are asked for at every sign-in, and the provider's word counts as it is then.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from app.auth import accounts, sessions
from app.auth.models import MAX_EMAIL, User, normalize_email
from app.database import db
from app.oidc_settings import OIDCSettings
from app.security.logs import security_event


def groups_of(claims: Mapping[str, Any], name: str) -> frozenset[str]:
    """The groups in the claim ``name``: a list, or one alone. Nothing else is a group.

    :param name: the claim as it is, or a path into objects: Keycloak's ``realm_access.roles``.
    """
    found: Any = claims
    for part in [name] if name in claims else name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    values = found if isinstance(found, list) else [found]
    return frozenset(value for value in values if isinstance(value, str))


def admit(claims: Mapping[str, Any], settings: OIDCSettings) -> User | None:
    """The account of whoever signed in, made at the first time; None when they may not.

    The caller commits. Somebody who has left the allowed groups is signed out everywhere.
    """
    known = User.issuer == settings.issuer, User.subject == claims["sub"]
    user = db.session.scalar(select(User).where(*known))
    if user is not None:
        accounts.hold(user)  # or it could be disabled before its session is there
    groups = groups_of(claims, settings.groups_claim)
    if settings.allowed_groups and not groups & settings.allowed_groups:
        security_event("authz_fail", account=user.id if user else None, reason="groups")
        if user is not None:
            sessions.end_all(user)
        return None
    if user is None:
        user = _create(settings.issuer, claims["sub"])
    if user is None:  # made at this very moment by another request
        user = db.session.scalars(select(User).where(*known)).one()
    user.email = shown_name(claims)
    is_operator = bool(groups & settings.operator_groups)
    if user.is_operator is not is_operator:
        security_event("authz_change", account=user.id, operator=is_operator)
    user.is_operator = is_operator
    if user.disabled_at is not None:
        security_event("authn_login_fail", account=user.id)
        return None
    security_event("authn_login_success", level=20, account=user.id)
    return user


def _create(issuer: str, subject: str) -> User | None:
    """A new account; None when it was made by another request at the same time."""
    user = User(issuer=issuer, subject=subject, email="")
    db.session.add(user)
    try:
        db.session.flush()
    except IntegrityError:
        db.session.rollback()  # nothing else was written before
        return None
    security_event("user_created", level=20, account=user.id)
    return user


def shown_name(claims: Mapping[str, Any]) -> str:
    """What the account's owner sees: the address that the provider knows, or else the subject."""
    try:
        return normalize_email(str(claims.get("email", "")))
    except ValueError:
        return str(claims["sub"])[:MAX_EMAIL]
