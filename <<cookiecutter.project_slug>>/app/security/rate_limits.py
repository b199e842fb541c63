"""Rate limiting: somebody tries passwords, floods sign-up or writes without end.

Two rings. Nginx limits every request by address (``deploy/nginx/``). Here Flask-Limiter limits the
sensitive routes, by address and by account, in Redis, so that the count is exact over all workers
and instances. When Redis is gone, each worker counts by itself and ``/readyz`` says so: weaker
limits are better than none, or than no sign-in at all. ASVS 2.4.1, 6.1.1, 6.3.1.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, cast

from flask import Flask, current_app, g, request
from flask.typing import ResponseReturnValue
from flask_limiter import Limiter, RateLimitExceeded
from flask_limiter.util import get_qualified_name
from limits.storage import MemoryStorage

from app.security.errors import respond
from app.security.limit_keys import attempted_account, client_address, signed_in_account
from app.security.logs import security_event

View = TypeVar("View", bound=Callable[..., Any])

# PyPI's limits for sign-in are 10 per 5 minutes by address and by account. The others are ours:
# far above what a person does, far below what an attack needs.
SIGN_IN = "10 per 5 minutes"
SIGN_UP = "20 per hour"
CREDENTIAL_CHANGE = "10 per 5 minutes"
WRITE = "60 per minute"
# What a limit counts unless its route says otherwise: the methods that change something.
CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
REDIS_TIMEOUT = 1  # seconds, to connect and to answer; then the worker counts in memory


class RouteLimiter(Limiter):
    """Counts a request that changes something before anything else looks at it, and no other.

    Flask-Limiter checks a decorated route when its view is called, after CSRF protection: an
    attempt without a token would not count. And each request, a GET of any page too, pays for it.
    So a limit of what only reads is never looked at; ``check`` refuses one. A GET that changes
    something says so: ``limited(..., methods=...)``. A method of
    Flask-Limiter 4 that is not public; the lock pins it and
    ``tests/security/test_rate_limits.py`` fails when it changes.
    """

    def _check_request_limit(
        self, callable_name: str | None = None, in_middleware: bool = True
    ) -> None:
        counted = counts(current_app, request.endpoint, request.method)
        if counted and not g.get("limits_checked"):
            view = current_app.view_functions.get(request.endpoint or "")
            name = get_qualified_name(view) if view else ""
            if name in self._marked_for_limiting:
                super()._check_request_limit(name, in_middleware=False)
            g.limits_checked = True


limiter = RouteLimiter(
    key_func=client_address,
    strategy="sliding-window-counter",  # a fixed window lets twice the limit pass at its edge
    in_memory_fallback_enabled=True,
    headers_enabled=False,  # Retry-After comes from _log_and_refuse, without asking Redis each time
)


def limited(
    name: str, limit: str, *keys: Callable[[], str], methods: frozenset[str] = CHANGING
) -> Callable[[View], View]:
    """A decorator that counts what a route changes: once under each of the keys.

    :param methods: what is counted; a route whose GET changes something names GET and HEAD.
    """

    def decorate(view: View) -> View:
        for key in keys:
            shared = limiter.shared_limit(limit, scope=name, key_func=key)
            view = cast(View, shared(view))
        view.counted_methods = methods  # type: ignore[attr-defined]
        return view

    return decorate


def counts(app: Flask, endpoint: str | None, method: str) -> bool:
    """Whether a route's limit, if it has one, counts requests with this method."""
    view = app.view_functions.get(endpoint or "")
    return method in getattr(view, "counted_methods", CHANGING)


sign_in = limited("sign_in", SIGN_IN, client_address, attempted_account)
sign_up = limited("sign_up", SIGN_UP, client_address)
credential_change = limited(
    "credential_change", CREDENTIAL_CHANGE, client_address, signed_in_account
)
write = limited("write", WRITE, signed_in_account)


def init_app(app: Flask) -> None:
    """Count in Redis, or in memory where no Redis is configured (development)."""
    redis_url = app.config["SETTINGS"].redis_url
    timeouts = {"socket_connect_timeout": REDIS_TIMEOUT, "socket_timeout": REDIS_TIMEOUT}
    app.config.update(
        RATELIMIT_STORAGE_URI=redis_url or "memory://",
        RATELIMIT_STORAGE_OPTIONS=timeouts if redis_url else {},
    )
    # As if they were there: its hooks that follow a request are for headers, which are off.
    app.extensions["limiter"] = {limiter}
    limiter.init_app(app)
    app.before_request(limiter._check_request_limit)
    app.register_error_handler(RateLimitExceeded, _log_and_refuse)


def check(app: Flask) -> Iterator[str]:
    """Yield what would leave a route without a limit that holds."""
    hooks = app.before_request_funcs.get(None, [])
    if not limiter.initialized or limiter._check_request_limit not in hooks:
        yield "rate limits are off; call rate_limits.init_app(app)"
        return
    for rule in app.url_map.iter_rules():
        name = get_qualified_name(app.view_functions[rule.endpoint])
        counted = any(counts(app, rule.endpoint, method) for method in rule.methods or ())
        if name in limiter._marked_for_limiting and not counted:
            yield f"the limit of {rule} is never counted: it only reads; let Nginx limit it"
    if app.config.get("RATELIMIT_ENABLED") is not True:
        yield "rate limits are off; remove RATELIMIT_ENABLED"
    if isinstance(limiter.storage, MemoryStorage):
        yield "rate limits are counted in each worker's memory; set REDIS_URL"


def storage_answers() -> bool:
    """Whether the shared count is reachable; if not, every worker counts by itself."""
    return bool(limiter.storage.check())


def _log_and_refuse(error: RateLimitExceeded) -> ResponseReturnValue:
    security_event("excess_rate_limit_exceeded", limit=str(error.limit.limit), path=request.path)
    breached = limiter.current_limit
    seconds = math.ceil(breached.reset_at - time.time()) if breached else 60
    error.description = "Too many attempts. Please wait before you try again."
    return respond(error, {"Retry-After": str(max(seconds, 1))})
