"""<< cookiecutter.project_name >>: << cookiecutter.description >>"""

from __future__ import annotations

from flask import Flask

from app import (
    auth,
    commands,
    database,
    development,
    health,
    metrics,
    notes,
    # <% if cookiecutter.__interface == "json" %>
    openapi,
    # <% else %>
    pages,
    # <% endif %>
    security,
    speedups,
)
from app.settings import SERVICE_NAME, Settings


def create_app(settings: Settings | None = None) -> Flask:
    """Build the service.

    :param settings: read from the environment when not given.
    :raises ConfigurationError: in production, when a security check fails.
    """
    settings = settings or Settings.from_environment()
    # <% if cookiecutter.__interface == "json" %>
    app = Flask("app", static_folder=None)
    # <% else %>
    app = Flask("app")
    # <% endif %>
    app.config.from_mapping(
        SERVICE_NAME=SERVICE_NAME,
        SETTINGS=settings,
        SECRET_KEY=settings.secret_key.reveal(),
        SECRET_KEY_FALLBACKS=[key.reveal() for key in settings.secret_key_fallbacks],
    )

    database.init_app(app)
    security.init_app(app)
    if not settings.production:
        development.init_app(app)

    # <% if cookiecutter.__interface == "json" %>
    openapi.init_app(app)
    # <% else %>
    pages.init_app(app)
    # <% endif %>
    auth.init_app(app)
    notes.init_app(app)
    health.init_app(app)
    commands.init_app(app)
    metrics.init_app(app)

    speedups.init_app(app)
    security.enforce(app)
    return app
