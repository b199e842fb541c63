"""Reads the body of each request before anything else does: :mod:`app.security.sanitization`."""

from __future__ import annotations

from flask import current_app, request
from werkzeug.exceptions import BadRequest, HTTPException, RequestEntityTooLarge

from app.security.safe_methods import CHANGING

FORM = "application/x-www-form-urlencoded"


def read_body() -> None:
    """Read the body of a request that changes something, and the form in it.

    :raises werkzeug.exceptions.RequestEntityTooLarge: when it exceeds a limit.
    :raises werkzeug.exceptions.BadRequest: when it ends early or has malformed chunks; also for a
        field without a name, which makes Flask-WTF fail when it looks for its token.
    """
    # First, because the keys of the limits and CSRF protection read the form, too. There, a body
    # that cannot be read would be an unexpected error: 500 instead of 400.
    if request.method in CHANGING:
        try:
            # 131,000 fields in 256 KiB take 0.2 s of a processor; Werkzeug counts those of
            # multipart forms alone.
            most = current_app.config["MAX_FORM_PARTS"]
            if request.mimetype == FORM and request.get_data().count(b"&") >= most:
                raise RequestEntityTooLarge(f"A form may have at most {most} fields.")
            request.get_data(parse_form_data=True)
            nameless = None in request.form
        except HTTPException:
            raise
        except Exception as error:  # each server raises its own for a body that cannot be read
            raise BadRequest("The body of this request could not be read.") from error
        if nameless:
            raise BadRequest("A field of this form has no name.")
