"""The contract of a route: the same models check and describe its input and its answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Literal

from flask import Response, request

from app.validation import Model, check, parameters

View = Callable[..., Any]


class FieldProblem(Model):
    """What is wrong with one field; the names are those of RFC 9457, section 3."""

    pointer: str  # to the field (RFC 6901), or "?name" for a parameter of the address
    detail: str


class Problem(Model):
    """Every error, as RFC 9457 and :mod:`app.security.errors` define it."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str
    errors: list[FieldProblem] = []
    # Only for a sign-in that needs a second factor.
    code: Literal["second_factor_required"] | None = None
    ticket: str | None = None
    factors: list[Literal["code", "passkey"]] = []


@dataclass(frozen=True)
class Operation:
    """The description of a route, for :mod:`app.openapi`."""

    summary: str
    status: int
    answer: type[Model] | None
    body: type[Model] | None
    query: type[Model]
    errors: tuple[int, ...]


def operation(
    summary: str,
    *,
    body: type[Model] | None = None,
    query: type[Model] = Model,
    answer: type[Model] | None = None,
    status: int = 200,
    errors: list[int] | tuple[int, ...] = (),
) -> Callable[[View], View]:
    """Check the input, pass it to the view as ``body`` and ``query``, and send what it returns.

    The view returns a model, or what has the fields of ``answer``: a row, or a dictionary with
    rows. Headers may follow. Write this right above the view.

    :param errors: statuses that this route may answer, besides those of every route.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def checked(**arguments: Any) -> Response:
            found = check(query.model_validate, parameters(), "?")
            if query is not Model:
                arguments["query"] = found
            if body is not None:
                arguments["body"] = check(body.model_validate_json, request.get_data(), "#/")
            result = view(**arguments)
            if isinstance(result, Response):
                return result  # which is too long for a model, and streamed
            model, headers = result if isinstance(result, tuple) else (result, {})
            if model is None:
                response = Response(status=status, headers=headers)
                del response.headers["Content-Type"]
                return response
            if answer is not None and not isinstance(model, Model):
                model = answer.model_validate(model, from_attributes=True)
            content = model.model_dump_json()
            return Response(content, status, headers, content_type="application/json")

        described = Operation(summary, status, answer, body, query, tuple(errors))
        checked.operation = described  # type: ignore[attr-defined]
        return checked

    return decorate


def operation_of(view: View) -> Operation | None:
    """The description of a view, or None."""
    found: Operation | None = getattr(view, "operation", None)
    return found
