"""The body of a request, for :mod:`app.security.sanitization`: read once, before anything else."""

from __future__ import annotations

from flask import request
from werkzeug.exceptions import BadRequest, HTTPException


def read_body() -> None:
    """Read the body of a request that changes something, and the form in it.

    :raises werkzeug.exceptions.RequestEntityTooLarge: when it breaks a limit.
    :raises werkzeug.exceptions.BadRequest: when it breaks off or has malformed chunks; for a field
        without a name, which Flask-WTF does not expect where it looks for its token.
    """
    # Raised while Flask-Limiter asks for the account, these errors would pass for a dead Redis: one
    # big request, and every limit would start again from zero in the worker's memory.
    if request.method in ("POST", "PUT", "PATCH", "DELETE"):
        try:
            request.get_data(parse_form_data=True)
        except HTTPException:
            raise
        except Exception as error:  # each server has its own for a body that cannot be read
            raise BadRequest("The body of this request cannot be read.") from error
        if None in request.form:
            raise BadRequest("A field of this form has no name.")
