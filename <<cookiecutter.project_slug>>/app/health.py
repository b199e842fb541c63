"""Health checks for whatever runs the service: alive, and ready to work."""

from __future__ import annotations

import logging

from flask import Blueprint, Flask
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import SQLAlchemyError

from app.database import is_migrated
from app.security import rate_limits
from app.security.access import public

blueprint = Blueprint("health", __name__)
log = logging.getLogger("app.health")


def init_app(app: Flask) -> None:
    """Register ``/healthz`` and ``/readyz``."""
    app.register_blueprint(blueprint)


@blueprint.get("/healthz")
@public
def alive() -> ResponseReturnValue:
    """The process answers. No database, no Redis: a restart would heal neither."""
    return {"status": "ok"}


@blueprint.get("/readyz")
@public
def ready() -> ResponseReturnValue:
    """Whether requests can be served: 503 while the database is down or not migrated.

    Without Redis the service goes on with weaker limits, so that is reported but stays 200: taking
    every instance out of service would turn a small failure into a large one.
    """
    try:
        database = "ok" if is_migrated() else "not migrated"
    except SQLAlchemyError:
        log.exception("readiness: database unavailable")
        database = "unavailable"
    limits = "ok" if rate_limits.storage_answers() else "degraded"
    ready = database == "ok"
    status = ("ok" if limits == "ok" else "degraded") if ready else "unavailable"
    body = {"status": status, "database": database, "rate_limits": limits}
    return body, 200 if ready else 503
