"""Reads the body of each request before anything else does: :mod:`app.security.sanitization`."""

from __future__ import annotations

from flask import request
from werkzeug.exceptions import BadRequest, HTTPException


def read_body() -> None:
    """Read the body of a request that changes something, and the form in it.

    :raises werkzeug.exceptions.RequestEntityTooLarge: when it exceeds a limit.
    :raises werkzeug.exceptions.BadRequest: when it ends early or has malformed chunks; also for a
        field without a name, which makes Flask-WTF fail when it looks for its token.
    """
    # Flask-Limiter takes any error of a key function for a failure of Redis. If the body was read
    # there first, one big request would make every limit start again from zero in memory.
    if request.method in ("POST", "PUT", "PATCH", "DELETE"):
        try:
            request.get_data(parse_form_data=True)
        except HTTPException:
            raise
        except Exception as error:  # each server raises its own for a body that cannot be read
            raise BadRequest("The body of this request cannot be read.") from error
        if None in request.form:
            raise BadRequest("A field of this form has no name.")
