"""Rate limiting: somebody tries passwords, floods sign-up or writes without end.

There are two layers. Nginx limits every request by address (``deploy/nginx/``). Here Flask-Limiter
limits the sensitive routes, by address and by account. It counts in Redis, so that the count is
exact over all workers and instances. While Redis fails, each worker counts by itself and
``/readyz`` says so: weaker limits are better than none. ASVS 2.4.1, 6.1.1, 6.3.1.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

# <% if cookiecutter.auth == "token" %>
from flask import Flask, current_app, g, request
# <% else %>
from flask import Flask, current_app, request
# <% endif %>
from flask.typing import ResponseReturnValue
from flask_limiter import Limit, Limiter, RateLimitExceeded
from limits.storage import MemoryStorage

from app.redis_settings import redis_risk
from app.security.errors import respond
# <% if cookiecutter.auth == "token" %>
from app.security.limit_keys import client_address, personal_token, signed_in_account
# <% else %>
from app.security.limit_keys import client_address, signed_in_account
# <% endif %>
from app.security.limit_storage import PREFIX
from app.security.logs import security_event
from app.security.safe_methods import CHANGING

Key = Callable[[], str]
View = TypeVar("View", bound=Callable[..., Any])

# PyPI's limits for sign-in are 10 per 5 minutes by address and by account. The others are far above
# what a person does and far below what an attack needs.
SIGN_IN = "10 per 5 minutes"
CREDENTIAL_CHANGE = "10 per 5 minutes"
SECOND_FACTOR = "5 per 5 minutes"  # by the account, or the session; six digits take 200,000 tries
WRITE = "60 per minute"
# <% if cookiecutter.auth == "token" %>
SCRIPT = "120 per minute"  # of a personal access token, reads as well: a script may ask without end
# <% endif %>


@dataclass(frozen=True)
class RateLimit:
    """The limit of a route: ``rate`` under each key. Routes with one ``name`` count together.

    As a decorator it only marks the view. Flask-Limiter's own decorators count when the view is
    called, which is after CSRF protection: an attempt without a token would not count.
    """

    name: str
    rate: str
    keys: tuple[Key, ...]

    def __call__(self, view: View) -> View:
        view.rate_limit = self  # type: ignore[attr-defined]
        return view


UNLIMITED = RateLimit("", "", ())
BY_DEFAULT = RateLimit("write", WRITE, (signed_in_account,))
# <% if cookiecutter.auth == "token" %>
BY_TOKEN = RateLimit("personal_token", SCRIPT, (personal_token,))
# <% endif %>


def limited(name: str, rate: str, key: Key, other_key: Key | None = None) -> RateLimit:
    """A decorator that limits a route, by one key or by two."""
    return RateLimit(name, rate, (key,) if other_key is None else (key, other_key))


def unlimited(reason: str) -> RateLimit:
    """A decorator for a route that changes something and must always answer, for ``reason``."""
    return UNLIMITED


def requested_limit() -> RateLimit:
    """The limit that counts the current request.

    A route that changes something counts the requests that do, so that showing its form is free;
    one that nobody marked has the limit of writes. A route that only reads counts every request.
    """
    if (rule := request.url_rule) is None:
        return UNLIMITED
    limit = getattr(current_app.view_functions[rule.endpoint], "rate_limit", None)
    # <% if cookiecutter.auth == "token" %>
    if limit is None and g.get("user") and g.get("personal_token"):
        return BY_TOKEN  # so that a script does not use up what its owner may do
    # <% endif %>
    if CHANGING.isdisjoint(rule.methods or ()):
        return limit or UNLIMITED
    return (limit or BY_DEFAULT) if request.method in CHANGING else UNLIMITED


def limit_by(position: int) -> Limit:
    """The limit of the current request under one of its keys, for Flask-Limiter."""

    def rate() -> str:
        limit = requested_limit()
        return limit.rate if position < len(limit.keys) else ""

    return Limit(rate, key_function=lambda: requested_limit().keys[position]())


credential_change = limited(
    "credential_change", CREDENTIAL_CHANGE, client_address, signed_in_account
)

# Flask-Limiter checks its default limits before every request, and counts by what identifies the
# request: here the name of its limit, which is empty for most. A fixed window would let twice the
# limit pass at its edge. Retry-After comes from _log_and_refuse; the headers of the library would
# ask Redis each time.
limiter = Limiter(
    key_func=client_address,
    default_limits=[limit_by(0), limit_by(1)],
    request_identifier=lambda: requested_limit().name,
    strategy="sliding-window-counter",
    headers_enabled=False,
)


def init_app(app: Flask) -> None:
    """Count in Redis, or in memory where no Redis is configured (development)."""
    redis_url = app.config["SETTINGS"].redis_url.reveal()
    app.config["RATELIMIT_STORAGE_URI"] = f"{PREFIX}{redis_url}" if redis_url else "memory://"
    limiter.init_app(app)
    app.register_error_handler(RateLimitExceeded, _log_and_refuse)


def check(app: Flask) -> Iterator[str]:
    """Yield what would make limits ineffective."""
    if limiter not in app.extensions.get("limiter", ()):
        yield "rate limits are off; call rate_limits.init_app(app)"
        return
    if app.config.get("RATELIMIT_ENABLED") is not True:
        yield "rate limits are off; remove RATELIMIT_ENABLED"
    settings = app.config["SETTINGS"]
    if isinstance(limiter.storage, MemoryStorage):
        yield "rate limits are counted in each worker's memory; set REDIS_URL"
    elif risk := redis_risk(settings.redis_url.reveal(), settings.redis_private_host):
        yield risk


def storage_answers() -> bool:
    """Whether the shared count works; if not, every worker counts by itself."""
    return limiter.storage.check()


def _log_and_refuse(error: RateLimitExceeded) -> ResponseReturnValue:
    security_event("excess_rate_limit_exceeded", limit=str(error.limit.limit), path=request.path)
    breached = limiter.current_limit
    seconds = math.ceil(breached.reset_at - time.time()) if breached else 60
    error.description = "Too many attempts. Please wait before you try again."
    return respond(error, {"Retry-After": str(max(seconds, 1))})
