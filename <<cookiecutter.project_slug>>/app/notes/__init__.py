"""Notes: the example of a feature. Copy its structure, see "Add a feature" in README.md."""

from __future__ import annotations

from flask import Flask

# <% if cookiecutter.__interface == "html" %>
from app import pages
# <% endif %>
from app.notes import views


def init_app(app: Flask) -> None:
    # <% if cookiecutter.__interface == "html" %>
    """Register the routes, and the list in the navigation."""
    app.register_blueprint(views.blueprint)
    pages.add_to_navigation(app, "notes.index", "Notes")
    # <% else %>
    """Register the routes."""
    app.register_blueprint(views.blueprint)
    # <% endif %>
