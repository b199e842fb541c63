"""Projects: what somebody plans."""

from __future__ import annotations

from flask import Flask

from app import pages
from app.projects import views


def init_app(app: Flask) -> None:
    """Register the routes, and the list in the navigation."""
    app.register_blueprint(views.blueprint)
    pages.add_to_navigation(app, "projects.index", "Projects")
