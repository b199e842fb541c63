"""Content headers: a browser runs what an attacker got into a page, or shows it in a frame.

# <% if cookiecutter.__interface == "json" %>
No answer of this API is a page. If a browser takes one for a page all the same, the
Content-Security-Policy lets it load, run, send and reach nothing: ``sandbox`` gives it an origin of
its own. Nginx sends HSTS, and all headers of its own pages; this module sends those of the app.
OWASP HTTP Headers and REST Security cheat sheets; ASVS 3.4.1-3.4.8.
# <% else %>
The Content-Security-Policy allows at most the service's own files, so that injected markup is
harmless. The other headers stop framing, sniffing and cross-origin reading. Nginx sends HSTS, and
all headers of its own pages; this module sends those of the app. OWASP HTTP Headers cheat sheet;
MDN HTTP Observatory; ASVS 3.4.1-3.4.8.
# <% endif %>
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from flask import Flask

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# <% if cookiecutter.__interface == "json" %>
CONTENT_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    # Keeps answers out of the pages of other origins. It does not stop a script that CORS lets
    # read them: such a request has another mode.
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Permitted-Cross-Domain-Policies": "none",
    # Tokens and what belongs to one user: no cache keeps them (RFC 6749, section 5.1).
    "Cache-Control": "no-store",
}
# <% else %>
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
}
# Features that no page here uses; injected script must not reach them either.
UNUSED_FEATURES = (
    "accelerometer browsing-topics camera display-capture geolocation gyroscope magnetometer"
    " microphone payment usb"
).split()
CONTENT_HEADERS = {
    "Content-Security-Policy": "; ".join(" ".join(it) for it in CONTENT_SECURITY_POLICY.items()),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # No path: the page of a link in a mail has the token in its address. Not no-referrer:
    # Flask-WTF wants a Referer on HTTPS, and would refuse every form.
    "Referrer-Policy": "strict-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Origin-Agent-Cluster": "?1",
    "X-Permitted-Cross-Domain-Policies": "none",
    "Permissions-Policy": ", ".join(f"{feature}=()" for feature in UNUSED_FEATURES),
    # Shared machines and proxies keep nothing; static files set their own Cache-Control.
    "Cache-Control": "no-store",
}
# <% endif %>


def with_headers(wsgi_app: WSGIApplication, added: dict[str, str]) -> WSGIApplication:
    """WSGI middleware, so that responses made before any hook runs carry the headers as well."""

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            sent = {name.lower() for name, _ in headers}
            headers += [it for it in added.items() if it[0].lower() not in sent]
            return start_response(status, headers, exc_info)

        return wsgi_app(environ, start)

    return answer


def init_app(app: Flask) -> None:
    """Send the headers with every response."""
    headers = dict(CONTENT_HEADERS)
    # <% if cookiecutter.__interface == "html" %>
    if app.config["SETTINGS"].production:  # development has no HTTPS to upgrade to
        headers["Content-Security-Policy"] += "; upgrade-insecure-requests"
    # <% endif %>
    app.config["CONTENT_HEADERS"] = headers
    app.wsgi_app = with_headers(app.wsgi_app, headers)  # type: ignore[assignment, method-assign]


def check(app: Flask) -> Iterator[str]:
    """Yield what opens the policy to injected content."""
    policy = app.config.get("CONTENT_HEADERS", {}).get("Content-Security-Policy", "")
    if not policy.startswith("default-src 'none'"):
        yield "the Content-Security-Policy does not start from default-src 'none'"
    if "unsafe-" in policy or "data:" in policy or "*" in policy:
        yield "the Content-Security-Policy allows inline, data: or foreign content"
