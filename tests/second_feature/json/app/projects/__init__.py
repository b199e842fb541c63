"""Projects: what somebody plans."""

from __future__ import annotations

from flask import Flask

from app.projects import views


def init_app(app: Flask) -> None:
    """Register the routes."""
    app.register_blueprint(views.blueprint)
