"""The headers of pages, written out: what is sent is compared with what was meant."""

from __future__ import annotations

from tests.browser import FORM_ACTION

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
    f"connect-src 'self'; form-action {FORM_ACTION}; base-uri 'none'; frame-ancestors 'none'; "
    "object-src 'none'; require-trusted-types-for 'script'; trusted-types 'none'; "
    "upgrade-insecure-requests"
)
EVERYWHERE = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "strict-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Origin-Agent-Cluster": "?1",
    "X-Permitted-Cross-Domain-Policies": "none",
    "Permissions-Policy": (
        "accelerometer=(), browsing-topics=(), camera=(), display-capture=(), geolocation=(), "
        "gyroscope=(), magnetometer=(), microphone=(), payment=(), usb=()"
    ),
    "Cache-Control": "no-store",
}
PAGE = {**EVERYWHERE, "Content-Type": "text/html; charset=utf-8"}
PERSONAL = {**PAGE, "Vary": "Cookie"}  # of a route that asked who is there
ERROR = PAGE
ERROR_OF_VIEW = ERROR_TO_GUEST = PERSONAL
TEXT = {**PERSONAL, "Content-Type": "text/plain; charset=utf-8"}
