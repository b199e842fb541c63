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
from typing import Any, TypeVar

from flask import Flask, current_app, request
from flask.typing import ResponseReturnValue
from flask_limiter import Limiter, RateLimitExceeded
from limits.storage import MemoryStorage

from app.environment import redis_risk
from app.security.errors import respond
from app.security.limit_keys import client_address, signed_in_account
from app.security.limit_storage import PREFIX
from app.security.logs import security_event

Count = Callable[[], None]
View = TypeVar("View", bound=Callable[..., Any])

# PyPI's limits for sign-in are 10 per 5 minutes by address and by account. The others are ours:
# far above what a person does, far below what an attack needs.
SIGN_IN = "10 per 5 minutes"
SIGN_UP = "20 per hour"
CREDENTIAL_CHANGE = "10 per 5 minutes"
WRITE = "60 per minute"
# What a limit counts unless its route says otherwise: the methods that change something.
CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})

limiter = Limiter(
    key_func=client_address,
    strategy="sliding-window-counter",  # a fixed window lets twice the limit pass at its edge
    headers_enabled=False,  # Retry-After comes from _log_and_refuse, without asking Redis each time
)


def limited(
    name: str, limit: str, *keys: Callable[[], str], methods: frozenset[str] = CHANGING
) -> Callable[[View], View]:
    """A decorator that counts what a route changes: once under each of the keys.

    A view that Flask-Limiter decorates is counted when it is called, after CSRF protection: an
    attempt without a token would not count. So it decorates a function that does nothing else, and
    ``count_request`` calls that one before.

    :param methods: what is counted; a route whose GET changes something names GET and HEAD.
    """

    def count() -> None:
        """Nothing: Flask-Limiter counts the call."""

    count.__qualname__ = f"count.{name}"  # Flask-Limiter keeps limits by the name of the function
    for key in keys:
        count = limiter.shared_limit(limit, scope=name, key_func=key)(count)

    def decorate(view: View) -> View:
        view.rate_limit = count  # type: ignore[attr-defined]
        view.counted_methods = methods  # type: ignore[attr-defined]
        return view

    return decorate


def count_of(app: Flask, endpoint: str | None, method: str) -> Count | None:
    """What counts the requests to a route with this method; None when no limit counts them."""
    view = app.view_functions.get(endpoint or "")
    return getattr(view, "rate_limit", None) if method in counted_methods(view) else None


def counted_methods(view: object) -> frozenset[str]:
    """The methods that the limit of a view counts, if it has one."""
    return getattr(view, "counted_methods", CHANGING)


def count_request() -> None:
    """Count a request that changes something before anything else looks at it, and no other.

    :raises RateLimitExceeded: when a limit is reached.
    """
    if count := count_of(current_app, request.endpoint, request.method):
        count()


sign_up = limited("sign_up", SIGN_UP, client_address)
credential_change = limited(
    "credential_change", CREDENTIAL_CHANGE, client_address, signed_in_account
)
write = limited("write", WRITE, signed_in_account)


def init_app(app: Flask) -> None:
    """Count in Redis, or in memory where no Redis is configured (development)."""
    redis_url = app.config["SETTINGS"].redis_url
    app.config["RATELIMIT_STORAGE_URI"] = f"{PREFIX}{redis_url}" if redis_url else "memory://"
    # Flask-Limiter finds itself there and adds none of its hooks, which are for default limits and
    # headers. They would take 27 microseconds of every request, a seventh of a page; without this
    # line, everything works as well.
    app.extensions["limiter"] = {limiter}
    limiter.init_app(app)
    app.before_request(count_request)
    app.register_error_handler(RateLimitExceeded, _log_and_refuse)


def check(app: Flask) -> Iterator[str]:
    """Yield what would leave a route without a limit that holds."""
    if not limiter.initialized or count_request not in app.before_request_funcs.get(None, []):
        yield "rate limits are off; call rate_limits.init_app(app)"
        return
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        counted = counted_methods(view) & (rule.methods or set())
        if hasattr(view, "rate_limit") and not counted:
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
