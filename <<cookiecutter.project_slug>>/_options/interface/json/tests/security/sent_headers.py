"""The headers of answers, written out: what is sent is compared with what was meant."""

from __future__ import annotations

CSP = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox"
EVERYWHERE = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Permitted-Cross-Domain-Policies": "none",
    "Cache-Control": "no-store",
}
JSON = {**EVERYWHERE, "Content-Type": "application/json"}
PROBLEM = {**EVERYWHERE, "Content-Type": "application/problem+json"}
ERROR = ERROR_OF_VIEW = PROBLEM
ERROR_TO_GUEST = {**PROBLEM, "WWW-Authenticate": "Bearer realm=api"}
TEXT = {**EVERYWHERE, "Content-Type": "text/plain; charset=utf-8"}
