"""Validation of JSON bodies and query parameters: wrong input is refused, not repaired.

Types are strict. Unknown fields and parameters are errors, which stops mass assignment. A repeated
parameter is an error as well: two programs could read it differently. OWASP REST Security and Mass
Assignment cheat sheets; ASVS 2.2.1, 15.3.3.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from flask import request
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails, from_json
from werkzeug.exceptions import BadRequest, UnprocessableEntity

from app.security.refusals import unknown_fields

# In one answer. To list a megabyte of unknown fields takes 0.4 seconds and an answer of 10 MB.
MAX_PROBLEMS = 20
MAX_NAME = 60  # characters of a field's name in an answer

Checked = TypeVar("Checked", bound="Model")


class Model(BaseModel):
    """A JSON object with exactly these fields. Errors do not repeat the input."""

    model_config = ConfigDict(strict=True, extra="forbid", hide_input_in_errors=True)


class InvalidInput(UnprocessableEntity):
    """422, with a sentence for each field: ``InvalidInput(("#/email", "This is taken."))``."""

    def __init__(self, *problems: tuple[str, str]) -> None:
        super().__init__("Some fields are not valid.")
        self.members = {"errors": [{"pointer": p, "detail": d} for p, d in problems]}


def peek(name: str) -> str:
    """A text of the body before validation, for the limits; empty when there is none.

    The parser is the one that reads the body for the view: two parsers could see two accounts.
    """
    try:
        content = from_json(request.get_data())
    except ValueError:
        return ""
    value = content.get(name) if isinstance(content, dict) else None
    return value if isinstance(value, str) else ""


def parameters() -> dict[str, str]:
    """The query parameters.

    :raises InvalidInput: when one is repeated.
    """
    for name, values in request.args.lists():
        if len(values) > 1:
            raise InvalidInput((f"?{name[:MAX_NAME]}", "Send this once."))
    return request.args.to_dict()


def check(validate: Callable[[Any], Checked], sent: Any, prefix: str) -> Checked:
    """The model that ``validate`` makes of the input.

    :param prefix: how the pointers to wrong fields begin: ``#/`` or ``?``.
    :raises BadRequest: when the input is not JSON.
    :raises InvalidInput: when a field is wrong.
    """
    try:
        return validate(sent)
    except ValidationError as error:
        if error.error_count() > MAX_PROBLEMS:
            raise InvalidInput((prefix.rstrip("/"), "Too many fields are wrong.")) from None
        problems = error.errors(include_url=False, include_input=False)
    unknown = {str(each["loc"][-1]) for each in problems if each["type"] == "extra_forbidden"}
    if unknown:
        unknown_fields(unknown)
    if problems[0]["type"] == "json_invalid":
        raise BadRequest("The body is not JSON, or not in UTF-8.")
    raise InvalidInput(*((_pointer(prefix, each), _sentence(each)) for each in problems))


def _pointer(prefix: str, problem: ErrorDetails) -> str:
    parts = (str(part)[:MAX_NAME].replace("~", "~0").replace("/", "~1") for part in problem["loc"])
    return prefix + "/".join(parts) if problem["loc"] else prefix.rstrip("/")


def _sentence(problem: ErrorDetails) -> str:
    if problem["type"] == "value_error":
        return str(problem["ctx"]["error"])  # a sentence of ours, without pydantic's prefix
    return f"{problem['msg']}."
