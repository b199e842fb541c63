"""Notes: the example of a feature. Copy its structure: models, service, forms or schemas, views."""

from __future__ import annotations

from flask import Flask

from app.notes import views


def init_app(app: Flask) -> None:
    """Register the routes."""
    app.register_blueprint(views.blueprint)
