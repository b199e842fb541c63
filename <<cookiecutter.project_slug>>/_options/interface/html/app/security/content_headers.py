"""The content headers of a service with pages, for :mod:`app.security.headers`."""

from __future__ import annotations

CONTENT_SECURITY_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "font-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
    "object-src": "'none'",
    "require-trusted-types-for": "'script'",
    "trusted-types": "'none'",
    "upgrade-insecure-requests": "",
}
# Features that no page here uses; injected script must not reach them either.
PERMISSIONS_POLICY = (
    "accelerometer",
    "browsing-topics",
    "camera",
    "display-capture",
    "geolocation",
    "gyroscope",
    "magnetometer",
    "microphone",
    "payment",
    "usb",
)


def content_security_policy(production: bool) -> str:
    """The policy as a header value; development has no HTTPS to upgrade to."""
    directives = dict(CONTENT_SECURITY_POLICY)
    if not production:
        del directives["upgrade-insecure-requests"]
    return "; ".join(f"{name} {value}".strip() for name, value in directives.items())


def content_headers(production: bool) -> dict[str, str]:
    """The headers of every response."""
    return {
        "Content-Security-Policy": content_security_policy(production),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        # Not no-referrer: Flask-WTF wants a Referer on HTTPS, and every form would be refused.
        "Referrer-Policy": "strict-origin-when-cross-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Embedder-Policy": "require-corp",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Origin-Agent-Cluster": "?1",
        "X-Permitted-Cross-Domain-Policies": "none",
        "Permissions-Policy": ", ".join(f"{feature}=()" for feature in PERMISSIONS_POLICY),
        # Shared machines and proxies keep nothing; static files say otherwise themselves.
        "Cache-Control": "no-store",
    }
