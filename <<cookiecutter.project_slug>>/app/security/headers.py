"""Content headers: a browser runs what an attacker got into a page, or shows it in a frame.

A Content-Security-Policy that allows the service's own files at most makes injected markup
harmless; the others stop framing, sniffing and cross-origin reading.
:mod:`app.security.content_headers` lists them. Nginx sends HSTS, this module all others: each
header has one owner. OWASP HTTP Headers cheat sheet; MDN HTTP Observatory; ASVS 3.4.1-3.4.8.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

from flask import Flask

from app.security.content_headers import content_headers

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class ContentHeaders:
    """WSGI middleware, so that responses made before any hook runs carry the headers as well."""

    def __init__(self, wsgi_app: WSGIApplication, headers: dict[str, str]) -> None:
        self.wsgi_app = wsgi_app
        self.headers = headers

    @cached_property
    def prepared(self) -> list[tuple[str, tuple[str, str]]]:
        """Each header below its name in lower case, once all practices have had their say."""
        return [(name.lower(), (name, value)) for name, value in self.headers.items()]

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            sent = {name.lower() for name, _ in headers}
            headers += [header for name, header in self.prepared if name not in sent]
            return start_response(status, headers, exc_info)

        return self.wsgi_app(environ, start)


def init_app(app: Flask) -> None:
    """Send the headers with every response."""
    headers = content_headers(app.config["SETTINGS"].production)
    app.extensions["content_headers"] = headers
    app.wsgi_app = ContentHeaders(app.wsgi_app, headers)  # type: ignore[method-assign]


def check(app: Flask) -> Iterator[str]:
    """Yield what opens the policy to injected content."""
    policy = app.extensions.get("content_headers", {}).get("Content-Security-Policy", "")
    if not policy.startswith("default-src 'none'"):
        yield "the Content-Security-Policy does not start from default-src 'none'"
    if "unsafe-" in policy or "data:" in policy or "*" in policy:
        yield "the Content-Security-Policy allows inline, data: or foreign content"
