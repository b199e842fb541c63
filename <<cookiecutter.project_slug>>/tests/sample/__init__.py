"""A resource of the tests' own: rows with a title and a rich text, which no user ever sees.

Tests that need some row to write, read or lose use it, so they say the same of every service. What
users own is attacked through ``tests/resources.py``; this only while the service has nothing alike.
"""

from __future__ import annotations

from flask import Flask

# <% if cookiecutter.database == "sqlite" %>
from app.database import migration_engine
# <% else %>
from app.database import migrating, migration_engine, roles
# <% endif %>
from tests.sample import views
from tests.sample.models import Sample


def init_app(app: Flask) -> None:
    """Register the routes."""
    app.register_blueprint(views.blueprint)


def create_table(app: Flask) -> None:
    """Make the table as a migration does, with the rights that the app has on it."""
    with app.app_context(), migration_engine().begin() as connection:
        Sample.__table__.create(connection, checkfirst=True)  # type: ignore[attr-defined]
        # <% if cookiecutter.database != "sqlite" %>
        migrating.after(connection, roles.from_settings())
        # <% endif %>
