"""Notes: the example feature. Copy its shape for the next one: models, service, input, views."""

from __future__ import annotations

from flask import Flask

from app.notes import views


def init_app(app: Flask) -> None:
    """Register the routes."""
    app.register_blueprint(views.blueprint)
