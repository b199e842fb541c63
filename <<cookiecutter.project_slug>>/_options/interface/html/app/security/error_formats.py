"""The format of an error, for :mod:`app.security.errors`: a page, or JSON for other clients."""

from __future__ import annotations

from typing import Any

from flask import Response, current_app, g, make_response, render_template, request
from flask_wtf.csrf import generate_csrf
from werkzeug.exceptions import SecurityError

from app.security.kept_forms import kept_fields

# A limit or a failure: the page shows the text that the user typed, to send it again.
AGAIN = (429, 500, 503)
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
        return make_response(render_template("error.html", **problem, **_known(problem)))
    return Response(current_app.json.dumps(problem), content_type=PROBLEM_JSON)


def _known(problem: dict[str, object]) -> dict[str, Any]:
    """What the page may use of the rest of the service, which may be the cause of the error.

    After a failure it does not look up who is signed in: everybody gets the same navigation, and
    the page needs no database. For a refused host name, Flask can build no address of a page.
    """
    fields = kept_fields() if problem["status"] in AGAIN else []
    known: dict[str, Any] = {
        "fields": fields,
        "token": generate_csrf() if fields else "",
        "has_pages": not isinstance(request.routing_exception, SecurityError),
        "knows_reader": "user" in g and int(str(problem["status"])) < 500,
    }
    return known if known["knows_reader"] else known | {"current_user": None}
