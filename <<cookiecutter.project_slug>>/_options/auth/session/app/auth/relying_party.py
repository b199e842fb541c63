"""The relying party of passkeys: an answer that was signed for another site is refused."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import current_app, request


def rp_id() -> str:
    """The RP id of WebAuthn: the host name of this service, without port."""
    settings = current_app.config["SETTINGS"]
    if settings.production:
        return str(settings.trusted_hosts[0])
    return urlsplit(request.host_url).hostname or ""  # one of the trusted hosts


def allowed() -> list[str]:
    """The origins whose pages may ask for a passkey: those of this service."""
    settings = current_app.config["SETTINGS"]
    return [f"https://{rp_id()}" if settings.production else request.host_url.rstrip("/")]
