"""What only a service without pages has: the description of its API."""

from __future__ import annotations

from flask import Flask, current_app
from flask.typing import ResponseReturnValue

from app import openapi
from app.security.access import public

STATIC_FOLDER = None  # no file is served


def init_app(app: Flask) -> None:
    """Register the description."""
    app.add_url_rule("/api/v1/openapi.json", "openapi", description)


@public
def description() -> ResponseReturnValue:
    """What can be asked of this service, and how."""
    return openapi.document(current_app)
