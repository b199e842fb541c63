"""CSRF, first layer: a page of another origin makes its visitor's browser send a request.

The browser itself says where a request comes from: in Fetch Metadata (``Sec-Fetch-Site``), or in
``Origin`` where it does not send that. Requests from another origin are refused before anything is
counted or looked up, so that a foreign page cannot use up the rate limits of its visitor.
# <% if cookiecutter.__interface == "json" %>
Origins that ``CORS_ORIGINS`` lists may send requests.
# <% endif %>
The second layer, after the rate limits, is :mod:`app.security.csrf`.
OWASP Cross-Site Request Forgery Prevention cheat sheet; ASVS 3.5.3.
"""

from __future__ import annotations

from collections.abc import Iterator

# <% if cookiecutter.__interface == "json" %>
from flask import Flask, abort, current_app, request
# <% else %>
from flask import Flask, abort, request
# <% endif %>

from app.security.logs import security_event
from app.security.safe_methods import SAFE


def init_app(app: Flask) -> None:
    """Check every request, also for paths that match no route."""
    app.before_request(refuse_cross_origin)


def check(app: Flask) -> Iterator[str]:
    """Yield a problem when requests are not checked."""
    if refuse_cross_origin not in app.before_request_funcs.get(None, []):
        yield "requests of other origins are not refused; call cross_origin.init_app(app)"


def refuse_cross_origin() -> None:
    """Refuse an unsafe request that another origin made the browser send."""
    if request.method in SAFE:
        return
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    if site is not None:
        # A sibling subdomain is "same-site". It can plant cookies, so it is refused as well.
        same_origin = site in ("same-origin", "none")
    elif origin is not None:
        same_origin = origin == f"{request.scheme}://{request.host}"
    else:
        return  # a program, or a browser older than five years: the token decides
    # <% if cookiecutter.__interface == "json" %>
    same_origin = same_origin or origin in current_app.config["CORS_ORIGINS"]
    # <% endif %>
    if not same_origin:
        security_event("malicious_csrf", reason="cross-origin", origin=origin, site=site)
        abort(403, "This request came from another site.")
