"""Every route is asked: are you private, limited, protected from CSRF, over HTTPS only?

All of this is the default: a new view gets it without a line. What is open on purpose stands below,
so that a change of it is seen. Each failure says what to do.
"""

from __future__ import annotations

from functools import wraps

import pytest
from flask import Flask, g

from app.security.access import is_public
from app.security.https import HEALTH_CHECKS
from app.security.rate_limits import BY_DEFAULT, UNLIMITED, RateLimit, requested_limit
from app.security.safe_methods import CHANGING
from tests.browser import DOMAIN, Browser
from tests.marks import asvs, practice, slow
from tests.resources import values_for
from tests.routes import Route, fingerprint, own_path, routes
from tests.security.answers import assert_challenged
from tests.security.client import PUBLIC, encode

# Signing out must always work.
UNLIMITED_ROUTES = {"auth.logout"}
# <% if cookiecutter.auth == "oidc" %>
# The provider's program sends no token of ours; its own signature is verified instead.
SIGNED_REQUESTS = {"backchannel.logout"}
# <% elif cookiecutter.auth == "session" %>
SIGNED_REQUESTS: set[str] = set()  # no view verifies a signature in place of our token
# <% endif %>
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@pytest.fixture
def new_view(app: Flask, own_app: None) -> str:
    """The path of a view as somebody adds it in a hurry: nothing is marked."""
    app._got_first_request = False
    app.add_url_rule("/new", "new", lambda: "done", methods=METHODS)
    return "/new"


@practice("access")
@asvs("8.2.1")
def test_every_route_is_private(app: Flask, alice: Browser, browser: Browser) -> None:
    for route in routes(app):
        public = is_public(app, route.endpoint)
        assert public == (route.endpoint in PUBLIC), (
            f"{route}: open to everybody by @public, and PUBLIC in tests/security/client.py says"
            " otherwise. Remove the decorator, or write the route there on purpose."
        )
        if not public and route.method != "OPTIONS":
            answer = browser.open(route.method, own_path(app, route, alice.email))
            assert answer.status_code in (302, 400, 401, 403), (
                f"{route}: nobody is signed in, and it answers {answer.status}. Let"
                " access.require_user run before it; do not register it beside the app."
            )


@practice("access")
@asvs("8.2.1")
def test_a_new_view_is_private(new_view: str, browser: Browser) -> None:
    assert_challenged(browser.get(new_view), "GET")


def limit_of(app: Flask, route: Route) -> RateLimit:
    with app.test_request_context(route.path(), f"https://{DOMAIN}", method=route.method):
        return requested_limit()


@practice("rate_limits")
@asvs("2.4.1")
def test_every_route_that_changes_something_is_limited(app: Flask) -> None:
    for route in routes(app):
        if route.method in CHANGING:
            limited = bool(limit_of(app, route).rate)
            assert limited == (route.endpoint not in UNLIMITED_ROUTES), (
                f"{route}: rate_limits.unlimited and UNLIMITED_ROUTES disagree. Remove the"
                " decorator, or write the route there on purpose."
            )


@practice("rate_limits")
@asvs("2.4.1")
@slow
def test_every_limited_route_comes_to_its_limit(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the request after the last that it allows, also when all before were refused."""
    for endpoint, view in app.view_functions.items():  # which do nothing, and keep their marks
        monkeypatch.setitem(app.view_functions, endpoint, wraps(view)(lambda **_: ""))
    limited = [route for route in routes(app) if limit_of(app, route).rate]
    assert len(limited) > 5
    for number, route in enumerate(limited):
        user = Browser(app, f"192.0.2.{number}").signed_in(f"user{number}@example.com")
        most = int(limit_of(app, route).rate.split()[0])
        statuses = [user.open(route.method, route.path()).status_code for _ in range(most + 1)]
        refused = [number for number, status in enumerate(statuses) if status == 429]
        assert refused == [most], (
            f"{route}: {most} requests are allowed, and {most + 1} are answered {statuses}. Let"
            " nothing answer before the limit counts."
        )


@practice("rate_limits")
@asvs("2.4.1")
def test_a_new_view_is_limited(app: Flask, new_view: str) -> None:
    for method in METHODS[1:]:
        with app.test_request_context(new_view, f"https://{DOMAIN}", method=method):
            g.user = None
            assert requested_limit() == BY_DEFAULT
    with app.test_request_context(new_view, f"https://{DOMAIN}"):
        assert requested_limit() == UNLIMITED


@practice("cross_origin")
@asvs("3.5.1")
def test_every_route_that_changes_something_is_refused_to_other_sites(
    app: Flask, victim: Browser, new_view: str
) -> None:
    before = fingerprint(app)
    for route in routes(app):
        if route.method not in CHANGING:
            continue
        path = own_path(app, route, victim.email)
        sent = encode(values_for(route.endpoint))
        foreign = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
        answer = victim.open(route.method, path, headers=foreign, **sent)
        assert answer.status_code == 403, (
            f"{route}: another site may send it ({answer.status}). Let cross_origin.init_app(app)"
            " run first, and list no origin that is not yours in CORS_ORIGINS."
        )
    assert fingerprint(app) == before
# <% if cookiecutter.__interface == "html" %>


@practice("csrf")
@asvs("3.5.1")
def test_every_route_that_changes_something_needs_our_token(
    app: Flask, victim: Browser, new_view: str
) -> None:
    before = fingerprint(app)
    for route in routes(app):
        if route.method not in CHANGING or route.endpoint in SIGNED_REQUESTS:
            continue
        sent = encode(values_for(route.endpoint))
        answer = victim.open(route.method, own_path(app, route, victim.email), **sent)
        assert answer.status_code == 400, (
            f"{route}: it takes a form without our token ({answer.status}). Do not exempt it; a"
            " program that cannot have a token proves itself by a signature, see"
            " backchannel_views.signed_request."
        )
    assert fingerprint(app) == before


@practice("csrf")
def test_only_listed_routes_need_no_csrf_token(app: Flask) -> None:
    found = {it for it, view in app.view_functions.items() if hasattr(view, "is_signed_request")}
    assert found == SIGNED_REQUESTS
# <% endif %>


@practice("https")
@asvs("12.2.1")
def test_every_route_is_https_only(app: Flask, alice: Browser, new_view: str) -> None:
    for route in routes(app):
        answer = alice.open(
            route.method,
            own_path(app, route, alice.email),
            headers={"X-Forwarded-Proto": "http"},
            base_url=f"http://{DOMAIN}",
        )
        assert (answer.status_code != 403) == (route.path() in HEALTH_CHECKS), (
            f"{route}: over plain HTTP it answers {answer.status}; only probes may ask so. Let"
            " https.refuse_plain_http run before it."
        )
