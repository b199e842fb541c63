"""Insecure direct object references: a user reads or changes what belongs to another user.

Deny by default: a route is for signed-in users unless it is ``@public``. :func:`get_owned` loads
the row that a path names: a foreign id and a missing id get the same 404, because queries find only
the user's own rows (:mod:`app.security.scope`). OWASP IDOR Prevention cheat sheet; ASVS 8.1-8.3,
15.3.3.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from flask import Flask, abort, current_app, g, request
from flask.typing import ResponseReturnValue
from sqlalchemy import ForeignKey, select
from sqlalchemy.orm import Mapped, mapped_column
from werkzeug.routing import BaseConverter

from app.database import PUBLIC_ID_LENGTH, PublicId, db, new_public_id
from app.security.refusals import refuse_for

View = TypeVar("View", bound=Callable[..., Any])
Model = TypeVar("Model", bound="Owned")


class Owned:
    """Mixin for rows that belong to one user and are named by ``public_id`` in URLs.

    The model has an index that begins with ``owner_id`` and has the order of its lists.
    """

    public_id: Mapped[str] = mapped_column(PublicId, unique=True, default=new_public_id)
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))


class PublicIdConverter(BaseConverter):
    """``<public_id:name>`` in a route. A path with anything else in its place matches no route."""

    regex = f"[A-Za-z0-9_-]{{{PUBLIC_ID_LENGTH}}}"


def public(view: View) -> View:
    """Open this route to everybody, signed in or not. Write it below the route decorator."""
    view.is_public = True  # type: ignore[attr-defined]
    return view


def is_public(app: Flask, endpoint: str) -> bool:
    """Whether a route is open to everybody."""
    return endpoint == "static" or getattr(app.view_functions[endpoint], "is_public", False)


def fresh(view: View) -> View:
    """Require a fresh proof of who the user is: a stolen session is not enough for this route.

    Write it below the route decorator, in place of ``public``. See :mod:`app.auth.step_up`.
    """
    view.is_fresh = True  # type: ignore[attr-defined]
    return view


def needs_fresh_proof(app: Flask, endpoint: str) -> bool:
    """Whether a route requires a fresh proof."""
    return getattr(app.view_functions[endpoint], "is_fresh", False)


def authenticate_by(
    app: Flask,
    identify: Callable[[], None],
    challenge: Callable[[], ResponseReturnValue],
    step_up: Callable[[bool], ResponseReturnValue | None],
) -> None:
    """Set how users are recognized. :mod:`app.auth` calls this.

    :param identify: sets ``g.user``, to None when nobody is signed in.
    :param challenge: returns the answer to an anonymous request for a route that is not public.
    :param step_up: returns the answer to a signed-in user who has to prove more before this route;
        its argument says whether the route requires a fresh proof. None lets the request pass.
    """
    app.config["AUTHENTICATION"] = identify, challenge, step_up


def init_app(app: Flask) -> None:
    """Require a signed-in user on every route that is not public."""
    app.url_map.converters["public_id"] = PublicIdConverter
    app.before_request(require_user)


def check(app: Flask) -> Iterator[str]:
    """Yield a problem when routes are open by default."""
    if require_user not in app.before_request_funcs.get(None, []):
        yield "routes are open by default; call access.init_app(app)"


def require_user() -> ResponseReturnValue | None:
    """Set ``g.user``, and stop anonymous requests to routes that are not public."""
    endpoint = request.endpoint
    if endpoint is None or endpoint == "static":
        return None  # no route (404, 405), or a file that is the same for everybody
    identify, challenge, step_up = current_app.config["AUTHENTICATION"]
    identify()
    if is_public(current_app, endpoint):
        return None
    refuse_for("sign-in")
    if g.user is None:
        return challenge()  # type: ignore[no-any-return]
    refuse_for("fresh proof")
    if (answer := step_up(needs_fresh_proof(current_app, endpoint))) is not None:
        return answer  # type: ignore[no-any-return]
    refuse_for(None)
    return None


def get_owned(model: type[Model], public_id: str) -> Model:
    """The row with this ``public_id`` that belongs to the signed-in user.

    :raises werkzeug.exceptions.NotFound: for a missing row, and for a row of another user.
    """
    if not re.fullmatch(PublicIdConverter.regex, public_id):
        abort(404)  # a query argument may hold NUL, which some databases cannot compare
    if g.get("user") is None:
        abort(401, "Please sign in.")
    # The session limits the query to the rows of this user: app.security.scope.
    row = db.session.scalar(select(model).where(model.public_id == public_id))
    if row is None:
        abort(404)
    return row
