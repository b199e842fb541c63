"""Reports of vulnerabilities: a finder does not know whom to tell, and publishes the vulnerability.

``/.well-known/security.txt`` says where to write (RFC 9116).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from flask import Flask, Response, current_app, request

from app.database import now
from app.security.access import public

EXPIRES_AFTER = timedelta(days=180)  # RFC 9116 section 2.5.5: less than a year


def init_app(app: Flask) -> None:
    """Serve security.txt."""
    app.add_url_rule("/.well-known/security.txt", "security_txt", security_txt)


def check(app: Flask) -> Iterator[str]:
    """Yield a problem when nobody can use the contact."""
    if not app.config["SETTINGS"].security_contact.startswith(("mailto:", "https://")):
        yield "SECURITY_CONTACT is not an address; write mailto:... or https://..."


@public
def security_txt() -> Response:
    """Where to report a vulnerability."""
    lines = (
        f"Contact: {current_app.config['SETTINGS'].security_contact}",
        f"Expires: {(now() + EXPIRES_AFTER).isoformat()}",
        f"Canonical: {request.url_root}.well-known/security.txt",
        "Preferred-Languages: en",
    )
    return Response("\n".join(lines) + "\n", mimetype="text/plain")
