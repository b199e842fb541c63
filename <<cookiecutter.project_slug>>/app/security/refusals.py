"""Refused requests: somebody tries the ids, roles and fields of others, and nobody notices.

Each refused request is one event of the OWASP Logging Vocabulary, whatever refused it: the status
of the answer decides, so a new feature logs it without a line. A foreign id and an unknown one are
the same event: the service does not look up which of them it was. The event has the route, a text
of our code, and not the path; the access line with the same request id has the path. A request adds
two events at most, so Nginx's limit of requests bounds the log. ASVS 16.3.2, 16.3.3.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterator

from flask import Flask, request
from werkzeug.wrappers import Response

from app.security.logs import logged_events, security_event

DENIED, INVALID = "authz_fail", "input_validation_fail"
# 404 is the answer for a row of another user; a path that matches no route is none.
EVENTS = {
    **dict.fromkeys((401, 403, 404), DENIED),
    **dict.fromkeys((400, 413, 414, 415, 422), INVALID),
    429: "excess_rate_limit_exceeded",
}
# If the request has an event of these kinds already, that event names the reason more precisely.
REASONS = ("authn_", "authz_", "excess_", "input_", "malicious_", "user_create_refused")
# Only names that look like names of fields are logged: no sentence and no address. A value that
# somebody sent in place of a name is logged only if it consists of letters. Five short names tell
# what was tried; more would let a client fill the log.
NAME = re.compile("[A-Za-z_]{1,30}")
MAX_NAMES = 5


def init_app(app: Flask) -> None:
    """Look at every answer."""
    app.after_request(record)


def check(app: Flask) -> Iterator[str]:
    """Yield a problem when refused requests are not logged."""
    if record not in app.after_request_funcs.get(None, []):
        yield "refused requests are no security events; call refusals.init_app(app)"


def refuse_for(reason: str | None) -> None:
    """Record why this request is refused, if it is answered now; None: it may continue.

    The page that asks for a sign-in, or for a fresh proof, is a redirection: its status does not
    tell.
    """
    request.environ["app.refused"] = reason


def unknown_fields(names: Collection[str]) -> None:
    """Log that a client sent fields that no form or schema of ours has: mass assignment.

    :param names: as the client spelled them; only what looks like a name is logged.
    """
    shown = sorted(name for name in names if NAME.fullmatch(name))[:MAX_NAMES]
    security_event(INVALID, reason="unknown field", count=len(names), fields=shown)


def record(response: Response) -> Response:
    """Log the event of a refused request, unless what refused it has logged one."""
    status, route = response.status_code, request.endpoint
    reason = request.environ.get("app.refused")
    event = EVENTS.get(status) if status >= 400 else (DENIED if reason else None)
    no_row = status == 404 and route in (None, "static")
    # The event of an unknown field does not report the row or the role that was refused.
    told = set(logged_events()) - ({INVALID} if event == DENIED else set())
    if event and not no_row and not any(it.startswith(REASONS) for it in told):
        # INFO: visitors who are not signed in get the sign-in page all day.
        level = logging.INFO if reason else logging.WARNING
        security_event(event, level=level, status=status, route=route, reason=reason)
    return response
