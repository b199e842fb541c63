"""Health checks: whether the process is alive, and whether it can serve requests."""

from __future__ import annotations

import logging

from flask import Blueprint, Flask
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import SQLAlchemyError

from app.database import is_migrated
from app.mail import outbox_status
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
    """The process answers. It asks neither database nor Redis: a restart would not repair them."""
    return {"status": "ok"}


@blueprint.get("/readyz")
@public
def ready() -> ResponseReturnValue:
    """Whether requests can be served: 503 while the database is down or not migrated.

    Without Redis the service works with weaker limits, and without a mail server mails wait: the
    answer says so, with status 200. Otherwise a failure of either would take every instance out of
    service.
    """
    mail = "ok"
    try:
        database = "ok" if is_migrated() else "not migrated"
        if database == "ok" and outbox_status.is_stuck():
            mail = "delayed"
            log.warning("mail waits for too long; see flask mail status")
    except SQLAlchemyError:
        log.exception("readiness: database unavailable")
        database = "unavailable"
    limits = "ok" if rate_limits.storage_answers() else "degraded"
    ready = database == "ok"
    status = ("ok" if limits == "ok" else "degraded") if ready else "unavailable"
    body = {"status": status, "database": database, "rate_limits": limits, "mail": mail}
    return body, 200 if ready else 503
