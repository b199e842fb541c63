"""CORS: a script on a page of another origin reads data of the user who looks at that page.

By default, browsers show no answer of this API to other origins. ``CORS_ORIGINS`` allows exact
origins, for single-page apps: no wildcard, no pattern, no ``null``. No answer allows credentials,
so that browsers send no cookie; the app sends its token itself. OWASP HTML5 Security cheat sheet;
ASVS 3.4.2, 3.5.2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from flask import Flask, Response, current_app, request
from flask.typing import ResponseReturnValue

from app.passkey_origins import PAGE

PREFLIGHT_MAX_AGE = 600  # seconds: for that long, browsers still allow a removed origin
REQUEST_HEADERS = "Authorization, Content-Type"
RESPONSE_HEADERS = "Location, Retry-After, WWW-Authenticate, X-Request-ID"
ORIGIN = re.compile(PAGE)


def init_app(app: Flask) -> None:
    """Allow the origins on the list."""
    app.config["CORS_ORIGINS"] = app.config["SETTINGS"].cors_origins
    app.before_request(answer_preflight)
    app.after_request(name_origin)


def check(app: Flask) -> Iterator[str]:
    """Yield every entry that is not an exact origin."""
    for origin in app.config["CORS_ORIGINS"]:
        if not ORIGIN.fullmatch(origin):
            yield f"CORS_ORIGINS has {origin!r}; write origins such as https://app.example.com"


def is_allowed() -> bool:
    """Whether the request comes from a page of an origin on the list."""
    return request.headers.get("Origin") in current_app.config["CORS_ORIGINS"]


def answer_preflight() -> ResponseReturnValue | None:
    """Answer a preflight: a browser asks, without a token, whether a page may send a request."""
    asked = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
    if not asked or request.url_rule is None or not is_allowed():
        return None
    response: Response = current_app.make_default_options_response()
    response.headers["Access-Control-Allow-Methods"] = ", ".join(sorted(response.allow))
    response.headers["Access-Control-Allow-Headers"] = REQUEST_HEADERS
    response.headers["Access-Control-Max-Age"] = str(PREFLIGHT_MAX_AGE)
    return response


def name_origin(response: Response) -> Response:
    """Let the page read the answer. Caches must not reuse it for another origin."""
    if current_app.config["CORS_ORIGINS"]:
        response.vary.add("Origin")
    if is_allowed():
        response.headers["Access-Control-Allow-Origin"] = request.headers["Origin"]
        response.headers["Access-Control-Expose-Headers"] = RESPONSE_HEADERS
    return response
