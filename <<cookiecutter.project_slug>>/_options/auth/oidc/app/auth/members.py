"""Which account signs in, whether it may, and whether it is an operator's.

Issuer and subject identify an account, never the e-mail address: an attacker could register
somebody else's address at a provider (OpenID Connect Core 1.0 section 5.7; ASVS 6.8.1). Groups are
read at every sign-in.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from app.auth import account_lock, revocation
from app.auth.models import MAX_EMAIL, User, normalize_email
from app.database import db
from app.oidc_settings import OIDCSettings
from app.secret import Secret
from app.security.logs import security_event


def groups_of(claims: Mapping[str, Any], name: str) -> frozenset[str]:
    """The groups in the claim ``name``, which is a list or one string.

    :param name: the claim, or a path into objects such as Keycloak's ``realm_access.roles``.
    """
    found: Any = claims
    for part in [name] if name in claims else name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    values = found if isinstance(found, list) else [found]
    return frozenset(value for value in values if isinstance(value, str))


def admit(claims: Mapping[str, Any], settings: OIDCSettings) -> User | None:
    """The account that these claims identify, created at the first sign-in; None when refused.

    The caller has locked the subject, so that nobody else creates its account
    (:mod:`app.auth.provider_logouts`); it commits, and logs what it admits to. A user who has left
    the allowed groups is signed out everywhere.
    """
    known = User.issuer == settings.issuer, User.subject == Secret(claims["sub"])
    user = db.session.scalar(select(User).where(*known))
    # Or it could be disabled before its session starts; None when it was deleted meanwhile.
    if user is not None and not account_lock.lock(user):
        user = None
    groups = groups_of(claims, settings.groups_claim)
    if settings.allowed_groups and not groups & settings.allowed_groups:
        security_event("authz_fail", account=user.id if user else None, reason="groups")
        if user is not None:
            revocation.end_all(user)
        return None
    if user is None:
        user = User(issuer=settings.issuer, subject=Secret(claims["sub"]), email=Secret(""))
        db.session.add(user)
        db.session.flush()
        security_event("user_created", level=logging.INFO, account=user.id)
    user.email = shown_name(claims)
    is_operator = bool(groups & settings.operator_groups)
    if user.is_operator is not is_operator:
        security_event("authz_change", account=user.id, operator=is_operator)
    user.is_operator = is_operator
    if user.disabled_at is not None:
        security_event("authn_login_fail", account=user.id)
        return None
    return user


def shown_name(claims: Mapping[str, Any]) -> Secret:
    """The name that pages show: the address that the provider has, or else the subject.

    An address that the provider calls not verified is none: anybody may claim it, and notices to it
    would reach a stranger. Some providers, such as Entra ID, say nothing about it.
    """
    verified = claims.get("email_verified") in (None, True, "true")
    try:
        return normalize_email(Secret(str(claims.get("email", "")) if verified else ""))
    except ValueError:
        return Secret(str(claims["sub"])[:MAX_EMAIL])
