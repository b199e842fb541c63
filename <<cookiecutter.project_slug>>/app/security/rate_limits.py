"""Rate limiting: somebody tries passwords, floods sign-up or writes without end.

Two rings. Nginx limits every request by address (``deploy/nginx/``). Here Flask-Limiter limits the
sensitive routes, by address and by account, in Redis, so that the count is exact over all workers
and instances. When Redis fails, each worker counts by itself and ``/readyz`` says so: weaker
limits are better than none, or than no sign-in at all. ASVS 2.4.1, 6.1.1, 6.3.1.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import Flask, current_app, request
from flask.typing import ResponseReturnValue
from flask_limiter import Limit, Limiter, RateLimitExceeded
from limits.storage import MemoryStorage

from app.environment import redis_risk
from app.security.cross_origin import SAFE_METHODS
from app.security.errors import respond
from app.security.limit_keys import attempted_account, client_address, signed_in_account
from app.security.limit_storage import PREFIX
from app.security.logs import security_event

View = TypeVar("View", bound=Callable[..., Any])

# PyPI's limits for sign-in are 10 per 5 minutes by address and by account. The others are ours:
# far above what a person does, far below what an attack needs.
SIGN_IN = "10 per 5 minutes"
SIGN_UP = "20 per hour"
CREDENTIAL_CHANGE = "10 per 5 minutes"
WRITE = "60 per minute"
MAX_KEYS = 2  # that one limit counts by: address and account


@dataclass(frozen=True)
class RateLimit:
    """The limit of a view: so many changes under each of the keys."""

    name: str
    limit: str
    keys: tuple[Callable[[], str], ...]


UNLIMITED = RateLimit("", "", ())


def limited(name: str, limit: str, *keys: Callable[[], str]) -> Callable[[View], View]:
    """A decorator that counts what a view changes: once under each of the keys, at most MAX_KEYS.

    It only marks the view. Flask-Limiter checks the limits of its own decorator when the view is
    called, after CSRF protection: an attempt without a token would not count. It checks default
    limits before the request; ours read the mark.
    """
    if len(keys) > MAX_KEYS:
        raise ValueError(f"the limit {name} has {len(keys)} keys; set MAX_KEYS to that number")

    def decorate(view: View) -> View:
        view.rate_limit = RateLimit(name, limit, keys)  # type: ignore[attr-defined]
        return view

    return decorate


def limit_of(app: Flask, endpoint: str | None) -> RateLimit:
    """The limit that the view of an endpoint is marked with, or UNLIMITED."""
    return getattr(app.view_functions.get(endpoint or ""), "rate_limit", UNLIMITED)


def _default_limit(number: int) -> Limit:
    """The limit of the requested view, counted under the key of this number, if it has so many."""

    def current() -> RateLimit:
        return limit_of(current_app, request.endpoint)

    return Limit(
        limit_provider=lambda: current().limit if number < len(current().keys) else "",
        key_function=lambda: current().keys[number](),
        scope=lambda endpoint: limit_of(current_app, endpoint).name,
        shared=True,  # one count for all views whose limit has this name
    )


limiter = Limiter(
    key_func=client_address,
    default_limits=[_default_limit(number) for number in range(MAX_KEYS)],
    strategy="sliding-window-counter",  # a fixed window lets twice the limit pass at its edge
    headers_enabled=False,  # Retry-After comes from _log_and_refuse, without asking Redis each time
)


@limiter.request_filter
def is_uncounted() -> bool:
    """Whether this request changes nothing that is limited: then no limit is looked up at all."""
    return request.method in SAFE_METHODS or not limit_of(current_app, request.endpoint).keys


sign_in = limited("sign_in", SIGN_IN, client_address, attempted_account)
sign_up = limited("sign_up", SIGN_UP, client_address)
credential_change = limited(
    "credential_change", CREDENTIAL_CHANGE, client_address, signed_in_account
)
write = limited("write", WRITE, signed_in_account)


def init_app(app: Flask) -> None:
    """Count in Redis, or in memory where no Redis is configured (development)."""
    redis_url = app.config["SETTINGS"].redis_url
    app.config["RATELIMIT_STORAGE_URI"] = f"{PREFIX}{redis_url}" if redis_url else "memory://"
    limiter.init_app(app)
    app.register_error_handler(RateLimitExceeded, _log_and_refuse)


def check(app: Flask) -> Iterator[str]:
    """Yield what would leave a route without a limit that holds."""
    if limiter not in app.extensions.get("limiter", ()):
        yield "rate limits are off; call rate_limits.init_app(app)"
        return
    for rule in app.url_map.iter_rules():
        if limit_of(app, rule.endpoint).keys and SAFE_METHODS.issuperset(rule.methods or ()):
            yield f"the limit of {rule} is never counted: it only reads; let Nginx limit it"
    if app.config.get("RATELIMIT_ENABLED") is not True:
        yield "rate limits are off; remove RATELIMIT_ENABLED"
    settings = app.config["SETTINGS"]
    if isinstance(limiter.storage, MemoryStorage):
        yield "rate limits are counted in each worker's memory; set REDIS_URL"
    elif risk := redis_risk(settings.redis_url, settings.redis_private_host):
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
