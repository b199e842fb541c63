"""Error handling: an error message tells an attacker how the service is built.

Every error is answered from here: for a browser as a page, for a JSON client as
``application/problem+json`` (RFC 9457), with a text of ours and the request id. What really
happened goes to the log, under the same id. ASVS 16.5.1-16.5.4, 13.4.2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from flask import Flask, Response, current_app, make_response, render_template, request
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

from app.database import dialect
from app.security.logs import request_id

PROBLEM_JSON = "application/problem+json"
HOST_REFUSED = "This service is not known under that host name."
RETRY_AFTER = 5  # seconds; a guess that spreads the retries, a database has no timetable


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
    handlers = app.error_handler_spec[None][None]
    if Exception not in handlers or HTTPException not in app.error_handler_spec[None][None]:
        yield "unexpected errors are not handled; call errors.init_app(app)"


def respond(error: HTTPException, headers: Mapping[str, str] | None = None) -> ResponseReturnValue:
    """The answer to an HTTP error, as a page or as problem+json."""
    status = error.code or 500
    if error.response is not None or status < 400:
        return error  # a response of its own: a redirect to the canonical URL, for example
    problem = {
        "type": "about:blank",
        "title": error.name,
        "status": status,
        # Werkzeug's text for a refused host repeats what the client sent.
        "detail": HOST_REFUSED if isinstance(error, SecurityError) else error.description,
        "request_id": request_id(),
        **getattr(error, "members", {}),  # of an error that names what is wrong, field by field
    }
    response = _page(problem) if _prefers_html() else _problem_json(problem)
    response.status_code = status
    kept = {"Allow", "Retry-After", "WWW-Authenticate"}  # the error's own, without its content type
    response.headers.update({k: v for k, v in error.get_headers() if k in kept})
    response.headers.update(headers or {})
    return response


def unexpected(error: Exception) -> ResponseReturnValue:
    """Log the exception, answer 500 without a word about it."""
    current_app.logger.error("unexpected error", exc_info=error)
    return respond(InternalServerError("The service made a mistake. It has been logged."))


def database_unavailable(error: Exception) -> ResponseReturnValue:
    """Log the exception, answer 503: the database is down, full, busy or not migrated."""
    current_app.logger.error("database unavailable", exc_info=error)
    unavailable = ServiceUnavailable("The database does not answer. Please try again shortly.")
    return respond(unavailable, {"Retry-After": str(RETRY_AFTER)})


def database_error(error: DBAPIError) -> ResponseReturnValue:
    """Answer 503 for what the database is to blame for, 500 for a statement that is wrong.

    Not all of the former is an OperationalError: psycopg raises InternalError when a failover has
    left a server that only reads, and when the server has ended a transaction that idled too long.
    """
    unavailable = isinstance(error, OperationalError | InterfaceError | InternalError)
    if unavailable or error.connection_invalidated or dialect.is_unmigrated(error):
        return database_unavailable(error)
    return unexpected(error)


def changed_meanwhile(error: StaleDataError | ObjectDeletedError) -> ResponseReturnValue:
    """Answer 409: somebody else changed or deleted the same row between reading and writing."""
    return respond(Conflict("This was changed in the meantime. Reload it and try again."))


def _prefers_html() -> bool:
    offered = ["text/html", PROBLEM_JSON, "application/json"]
    return current_app.config["PAGES"] and (
        request.accept_mimetypes.best_match(offered, default="text/html") == "text/html"
    )


def _page(problem: dict[str, object]) -> Response:
    return make_response(render_template("error.html", **problem))


def _problem_json(problem: dict[str, object]) -> Response:
    return Response(current_app.json.dumps(problem), content_type=PROBLEM_JSON)
