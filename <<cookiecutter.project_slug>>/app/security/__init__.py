"""The practices, one module each. Every module has the same two functions.

``init_app(app)`` wires the practice; ``check(app)`` yields what is wrong with the running
configuration, one line per problem. ``SECURITY.md`` names the tests of each practice.
"""

from __future__ import annotations

from collections.abc import Iterator

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
    refusals,
    safe_methods,
    sanitization,
    scope,
    secret_key,
    security_txt,
)
from app.settings import ConfigurationError

# In the order of registration. Three places matter: requests of another site are refused before
# anything is counted; the user is known before the limits by account; and the limits count before
# the CSRF token is checked, so that they count requests without one as well.
PRACTICES = (
    logs,
    errors,
    refusals,
    https,
    headers,
    secret_key,
    security_txt,
    sanitization,
    queries,
    scope,
    safe_methods,
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
    app.config["PRACTICES"] = list(PRACTICES)
    for practice in PRACTICES:
        practice.init_app(app)


def check(app: Flask) -> Iterator[str]:
    """Yield what every practice finds wrong with the running configuration."""
    for practice in app.config["PRACTICES"]:
        yield from practice.check(app)


def enforce(app: Flask) -> None:
    """Refuse to start in production when a check fails.

    :raises ConfigurationError: with one line per problem.
    """
    if app.config["SETTINGS"].production and (problems := list(check(app))):
        raise ConfigurationError(problems)
