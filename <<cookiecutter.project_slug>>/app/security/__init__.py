"""The practices, one module each, each with the same two doors.

``init_app(app)`` wires the practice; ``check(app)`` yields what is wrong with the running
configuration, one line per problem. ``tests/security/`` mirrors this folder file by file.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

from flask import Flask

from app.security import (
    access,
    audits,
    cookies,
    # <% if cookiecutter.__interface == "json" %>
    cors,
    # <% endif %>
    cross_origin,
    csrf,
    errors,
    headers,
    https,
    logs,
    passwords,
    queries,
    rate_limits,
    sanitization,
    secret_key,
    security_txt,
)
from app.settings import ConfigurationError

# In the order in which a request meets them. Three places matter: what another site sent is refused
# before anything is counted; who asks is known before the limits by account; and the limits count
# before the CSRF token is looked at, so that requests without one are counted as well.
PRACTICES = (
    logs,
    errors,
    https,
    headers,
    secret_key,
    security_txt,
    sanitization,
    queries,
    passwords,
    cookies,
    cross_origin,
    # <% if cookiecutter.__interface == "json" %>
    cors,
    # <% endif %>
    access,
    rate_limits,
    csrf,
    audits,
)


def init_app(app: Flask) -> None:
    """Wire every practice."""
    app.extensions["practices"] = []
    for practice in PRACTICES:
        practice.init_app(app)


def add_practice(app: Flask, practice: ModuleType) -> None:
    """Wire and check one more practice: one that needs more than this package may import."""
    practice.init_app(app)
    app.extensions["practices"].append(practice)


def check(app: Flask) -> Iterator[str]:
    """Yield what every practice finds wrong with the running configuration."""
    for practice in (*PRACTICES, *app.extensions["practices"]):
        yield from practice.check(app)


def enforce(app: Flask) -> None:
    """Refuse to start in production when a check fails.

    :raises ConfigurationError: with one line per problem.
    """
    if app.config["SETTINGS"].production and (problems := list(check(app))):
        raise ConfigurationError(problems)
