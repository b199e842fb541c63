"""Error handling: an error message tells an attacker how the service is built.

Every error is answered here, with a text of ours and the request id. The cause goes to the log,
under the same id. :mod:`app.security.error_formats` writes the answer. ASVS 16.5.1-16.5.4, 13.4.2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from flask import Flask, current_app
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import DBAPIError, InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm.exc import ObjectDeletedError, StaleDataError
from werkzeug.exceptions import (
    Conflict,
    HTTPException,
    InternalServerError,
    SecurityError,
    ServiceUnavailable,
)

from app.database.driver_errors import is_unmigrated
from app.security.access_log import request_id
from app.security.error_formats import answer

HOST_REFUSED = "This service does not have that host name."
# In place of Werkzeug's sentences, which speak of servers and URLs. A row of somebody else and one
# that is not there have the same.
SENTENCES = {
    400: "This request could not be understood.",
    401: "Please sign in.",
    403: "This is not allowed.",
    404: "There is nothing at this address, or it belongs to another user.",
    405: "This address does not accept this method.",
    413: "The request is larger than the service accepts.",
}
RETRY_AFTER = 5  # seconds; nobody knows how long an outage lasts, and fewer would add load


def init_app(app: Flask) -> None:
    """Answer every exception, expected or not."""
    # Not even a debugger or a test client sees a traceback in a response.
    app.config.update(PROPAGATE_EXCEPTIONS=False, TRAP_HTTP_EXCEPTIONS=False)
    app.register_error_handler(HTTPException, respond)
    app.register_error_handler(StaleDataError, changed_meanwhile)
    app.register_error_handler(ObjectDeletedError, changed_meanwhile)
    app.register_error_handler(DBAPIError, database_error)
    app.register_error_handler(PoolTimeout, database_unavailable)
    app.register_error_handler(Exception, unexpected)


def check(app: Flask) -> Iterator[str]:
    """Yield what would show an error's cause to the client."""
    for name in ("DEBUG", "TESTING", "PROPAGATE_EXCEPTIONS", "TRAP_BAD_REQUEST_ERRORS"):
        if app.config.get(name):
            yield f"{name} is on; unset FLASK_DEBUG and the setting"
    if not {Exception, HTTPException} <= app.error_handler_spec[None][None].keys():
        yield "unexpected errors are not handled; call errors.init_app(app)"


def respond(error: HTTPException, headers: Mapping[str, str] | None = None) -> ResponseReturnValue:
    """The answer to an HTTP error.

    :param headers: sent besides those of the error.
    """
    status = error.code or 500
    if error.response is not None or status < 400:
        return error  # a response of its own: a redirect to the canonical URL, for example
    problem = {
        "type": "about:blank",
        "title": error.name,
        "status": status,
        "detail": _detail(error),
        "request_id": request_id(),
        # <% if cookiecutter.__interface == "json" %>
        **getattr(error, "members", {}),  # of InvalidInput: what is wrong, field by field
        # <% endif %>
    }
    response = answer(problem)
    response.status_code = status
    kept = {"Allow", "Retry-After", "WWW-Authenticate"}  # not the content type of the error's page
    response.headers.update({k: v for k, v in error.get_headers() if k in kept})
    response.headers.update(headers or {})
    return response


def _detail(error: HTTPException) -> str | None:
    if isinstance(error, SecurityError):  # Werkzeug's text repeats what the client sent
        return HOST_REFUSED
    if error.description == type(error).description:
        return SENTENCES.get(error.code or 500, error.description)
    return error.description


def unexpected(error: Exception) -> ResponseReturnValue:
    """Log the exception and answer 500, without its text."""
    current_app.logger.error("unexpected error", exc_info=error)
    return respond(InternalServerError("An unexpected error occurred. It has been logged."))


def database_unavailable(error: Exception) -> ResponseReturnValue:
    """Log the exception and answer 503: the database is down, full, busy or not migrated."""
    current_app.logger.error("database unavailable", exc_info=error)
    unavailable = ServiceUnavailable("The database does not respond. Please try again shortly.")
    return respond(unavailable, {"Retry-After": str(RETRY_AFTER)})


def database_error(error: DBAPIError) -> ResponseReturnValue:
    """Answer 503 when the database cannot work at the moment, 500 when the statement is wrong.

    Drivers report the former by one of three classes.
    """
    unavailable = isinstance(error, OperationalError | InterfaceError | InternalError)
    if unavailable or error.connection_invalidated or is_unmigrated(error):
        return database_unavailable(error)
    return unexpected(error)


def changed_meanwhile(error: StaleDataError | ObjectDeletedError) -> ResponseReturnValue:
    """Answer 409: another request changed or deleted the row between reading and writing."""
    return respond(Conflict("This was changed in the meantime. Reload it and try again."))
