"""<< cookiecutter.project_name >>: << cookiecutter.description >>"""

from __future__ import annotations

from functools import lru_cache

from flask import Flask

from app import auth, commands, database, health, interface, notes, security
from app.settings import SERVICE_NAME, Settings


def create_app(settings: Settings | None = None) -> Flask:
    """Build the service.

    :param settings: read from the environment when not given.
    :raises ConfigurationError: in production, when a security check fails.
    """
    settings = settings or Settings.from_environment()
    app = Flask("app", static_url_path="/static", static_folder=interface.STATIC_FOLDER)
    # Flask asks about each hook and view, on every request, whether it is a coroutine. None is.
    app.ensure_sync = lru_cache(maxsize=256)(app.ensure_sync)  # type: ignore[method-assign]
    app.config.from_mapping(
        SERVICE_NAME=SERVICE_NAME,
        SETTINGS=settings,
        SECRET_KEY=settings.secret_key,
        SECRET_KEY_FALLBACKS=list(settings.secret_key_fallbacks),
    )

    database.init_app(app)
    security.init_app(app)

    interface.init_app(app)
    auth.init_app(app)
    notes.init_app(app)
    health.init_app(app)
    commands.init_app(app)

    security.enforce(app)
    return app
