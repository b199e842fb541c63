"""The redirects to the provider and back, for a sign-in and for a step-up."""

from __future__ import annotations

from collections.abc import Mapping

from flask import current_app, redirect, url_for
from werkzeug.wrappers import Response

from app.auth import code_flow, pending, provider_logouts
from app.auth.claims import Claims
from app.auth.outbound import in_time
from app.auth.provider import Provider


def provider() -> Provider:
    """The provider, as this worker knows it."""
    known: Provider = current_app.extensions["oidc"]
    return known


def own_url(endpoint: str) -> str:
    """The URL that is registered at the provider, whatever host the request names."""
    settings = current_app.config["SETTINGS"]
    if not settings.production:
        return url_for(endpoint, _external=True)
    return f"https://{settings.trusted_hosts[0]}{url_for(endpoint)}"


def begin(target: str | None, session_id: str = "") -> Response:
    """Send the browser to the provider.

    :param target: the path to go to afterwards.
    :param session_id: the public id of the session whose user steps up; empty for a sign-in.
    :raises UnavailableError: when the provider does not answer.
    """
    known = provider()
    started = pending.Pending.new(own_url("auth.callback"), target, session_id)
    url = in_time(lambda: code_flow.authorization_url(known, started))
    pending.keep(started)
    return redirect(url)


def claims_of(started: pending.Pending, answer: Mapping[str, str]) -> Claims:
    """The claims in the provider's answer; see :func:`app.auth.code_flow.finish`.

    A logout at the provider that concerns them waits until the commit.

    :raises RefusedError: also when such a logout came since the start.
    """
    known = provider()
    claims = in_time(lambda: code_flow.finish(known, started, answer))
    provider_logouts.refuse_ended(known.settings.issuer, claims, started)
    return claims
