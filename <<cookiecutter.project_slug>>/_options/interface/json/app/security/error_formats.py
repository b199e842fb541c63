"""The format of an error, for :mod:`app.security.errors`: problem+json (RFC 9457)."""

from __future__ import annotations

from flask import Response, current_app

PROBLEM_JSON = "application/problem+json"


def answer(problem: dict[str, object]) -> Response:
    """The error as JSON, whatever the client prefers.

    :param problem: the members of RFC 9457, and ``request_id``.
    """
    return Response(current_app.json.dumps(problem), content_type=PROBLEM_JSON)
