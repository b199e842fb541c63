"""The format of an error, for :mod:`app.security.errors`: a page, or JSON for other clients."""

from __future__ import annotations

from flask import Response, current_app, make_response, render_template, request

PROBLEM_JSON = "application/problem+json"  # RFC 9457
OFFERED = ("text/html", PROBLEM_JSON, "application/json")


def wants_page() -> bool:
    """Whether the client prefers a page, or does not say."""
    return request.accept_mimetypes.best_match(OFFERED, default="text/html") == "text/html"


def answer(problem: dict[str, object]) -> Response:
    """The error in the format that the client prefers; a page when it does not say.

    :param problem: the members of RFC 9457, and ``request_id``.
    """
    if wants_page():
        return make_response(render_template("error.html", **problem))
    return Response(current_app.json.dumps(problem), content_type=PROBLEM_JSON)
