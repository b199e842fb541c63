"""Errors for programs: RFC 9457."""

from __future__ import annotations

from werkzeug.test import TestResponse


def assert_problem(response: TestResponse) -> None:
    """An error as JSON, with exactly these members; ``errors`` says which fields are wrong."""
    assert response.content_type == "application/problem+json"
    problem = response.get_json()
    assert len(problem.pop("detail")) > 10
    problem.pop("errors", None)
    assert problem == {
        "type": "about:blank",
        "title": response.status.partition(" ")[2].title(),
        "status": response.status_code,
        "request_id": response.headers["X-Request-ID"],
    }
