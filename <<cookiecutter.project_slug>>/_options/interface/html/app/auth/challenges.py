"""Challenges: the answer to a request that has to prove more first.

An anonymous one gets the page where users sign in; one whose proof is too old or too weak gets the
page where users prove more. Nobody is sent to an address of another site, and a typed text is kept.
"""

from __future__ import annotations

from flask import current_app, redirect, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import Unauthorized

from app.auth import step_up
from app.auth.identity import current_session
from app.security.kept_forms import kept_fields, send_again
from app.security.redirects import own_path


def challenge() -> ResponseReturnValue:
    """Answer an anonymous request for a private route: with the sign-in page, or 401.

    Sign-in returns to this address only when it is a page that can be requested again. The text of
    a form is shown again.
    """
    if request.method in ("GET", "HEAD") and request.accept_mimetypes.accept_html:
        return redirect(url_for("auth.login", next=own_path(request.full_path.rstrip("?"))))
    if fields := kept_fields():
        return send_again(fields, signed_in=False)
    raise Unauthorized("Please sign in.")


def step_up_first(fresh: bool) -> ResponseReturnValue | None:
    """Send a signed-in user who has to prove more to the page where that is done.

    :param fresh: whether the route asks for a fresh proof.
    """
    match step_up.needed(current_session(), fresh):
        case "proof":
            return redirect(url_for("step_up.prove", next=_page_of_request()))
        case "set-up":
            return redirect(url_for("second_factors.index"))
    return None


def _page_of_request() -> str | None:
    """Where this request can be made again: at its own page, else at the first of its blueprint."""
    if rule := request.url_rule:
        if "GET" in (rule.methods or ()):
            return own_path(request.full_path.rstrip("?"))
        if (first := f"{request.blueprint}.index") in current_app.view_functions:
            return url_for(first)
    return None
