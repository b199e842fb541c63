"""Sign-in at a provider: an attacker uses an answer that the provider gave to somebody else.

Authorization code flow with PKCE (:mod:`app.auth.code_flow`), ``state`` and ``nonce`` bound to the
browser (:mod:`app.auth.pending`), a check of every claim of an ID token
(:mod:`app.auth.provider_tokens`, :mod:`app.auth.provider_proof`), requests with time limits
(:mod:`app.auth.outbound`) to public addresses only (:mod:`app.outbound_addresses`), answers valid
once (:mod:`app.auth.single_use`), accounts identified by issuer and subject
(:mod:`app.auth.members`). This module answers their errors and checks their settings. RFC 9700;
OpenID Connect Core 1.0; ASVS 6.8, 7.6, 10.1, 10.2, 10.5.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from flask import Flask
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import Forbidden, ServiceUnavailable, Unauthorized

from app.auth.outbound import UnavailableError
from app.auth.provider import PAUSE, Provider
from app.auth.provider_proof import WeakProofError
from app.auth.provider_tokens import RefusedError
from app.oidc_settings import LOCAL_SECRET
from app.security.errors import respond
from app.security.logs import JSONFormatter, security_event

MIN_SECRET = 16  # characters: 96 bits or more; providers make 32 and longer

log = logging.getLogger("app.oidc")


def init_app(app: Flask) -> None:
    """Register the provider and the handlers of its errors; allow forms to lead to it."""
    settings = app.config["SETTINGS"].oidc
    app.extensions["oidc"] = Provider(settings)
    app.register_error_handler(RefusedError, refused)
    app.register_error_handler(UnavailableError, unavailable)
    for handler in logging.getLogger().handlers:
        if isinstance(handler.formatter, JSONFormatter):
            handler.formatter.known_secrets.append(settings.client_secret.reveal())
    # The forms for signing in and out redirect to the provider, and Chromium applies form-action to
    # redirects as well. Only these origins are allowed.
    origins = " ".join(("'self'", settings.origin, *settings.redirect_origins))
    headers = app.config["CONTENT_HEADERS"]
    name = "Content-Security-Policy"
    headers[name] = headers[name].replace("form-action 'self'", f"form-action {origins}")


def check(app: Flask) -> Iterator[str]:
    """Yield settings that let an attacker pose as the provider, or as this service there."""
    settings = app.config["SETTINGS"].oidc
    if not settings.issuer.startswith("https://"):
        yield "OIDC_ISSUER is not encrypted; write an address that starts with https://"
    if len(settings.client_secret) < MIN_SECRET:
        yield f"OIDC_CLIENT_SECRET has fewer than {MIN_SECRET} characters; let the provider make it"
    if settings.client_secret == LOCAL_SECRET:
        yield "OIDC_CLIENT_SECRET is the published one of `make provider`; use your provider's"
    if any(network.prefixlen == 0 for network in settings.private_networks):
        yield "OIDC_PRIVATE_NETWORKS allows every address; write only the provider's network"
    if settings.ca_file and not Path(settings.ca_file).is_file():
        yield f"OIDC_CA_FILE: there is no file {settings.ca_file}"


def refused(error: RefusedError) -> ResponseReturnValue:
    """Log the reason, answer 401 without it; 403 when the user has to prove more."""
    security_event("authn_login_fail", account=None, reason=str(error))
    if isinstance(error, WeakProofError):
        return respond(Forbidden(error.advice))
    return respond(Unauthorized("The sign-in was not completed. Please start it again."))


def unavailable(error: UnavailableError) -> ResponseReturnValue:
    """Log the reason, answer 503. Sessions continue."""
    log.error("provider unavailable", extra={"reason": str(error)})
    sorry = ServiceUnavailable("The sign-in service does not respond. Please sign in again later.")
    return respond(sorry, {"Retry-After": str(PAUSE)})
