"""The relying party of passkeys: an answer that was signed for another app is refused.

An API has no page of its own that could ask. ``PASSKEY_ORIGINS`` names the apps that may, such as
``https://app.example.com`` or ``android:apk-key-hash:...``; without one there are no passkeys.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import abort, current_app, request


def rp_id() -> str:
    """The RP id of WebAuthn: the host name of this service, without port."""
    settings = current_app.config["SETTINGS"]
    if settings.production:
        return str(settings.trusted_hosts[0])
    return urlsplit(request.host_url).hostname or ""  # one of the trusted hosts


def allowed() -> list[str]:
    """The origins that may ask for a passkey.

    :raises werkzeug.exceptions.Forbidden: when there are none.
    """
    origins: tuple[str, ...] = current_app.config["SETTINGS"].passkey_origins
    if not origins:
        abort(403, "Passkeys are off here. The operator can name apps in PASSKEY_ORIGINS.")
    return list(origins)
