"""The content headers of an API, for :mod:`app.security.headers`: no answer is a page."""

from __future__ import annotations

# Were an answer taken for a page after all, it could load nothing, run nothing, send nothing and
# reach nothing: "sandbox" gives it an origin of its own (OWASP REST Security cheat sheet).
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox"
)


def content_headers(production: bool) -> dict[str, str]:
    """The headers of every response, the same in development."""
    return {
        "Content-Security-Policy": CONTENT_SECURITY_POLICY,
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        # Keeps answers out of the pages of other origins. It does not stop a script that CORS
        # lets read them: such a request has another mode.
        "Cross-Origin-Resource-Policy": "same-origin",
        "X-Permitted-Cross-Domain-Policies": "none",
        # Tokens and what belongs to one user: no cache keeps them (RFC 6749, section 5.1).
        "Cache-Control": "no-store",
    }
