"""CSRF: what another site can make a signed-in user's browser send must change nothing."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from app.security import check
from tests.browser import HOME, ORIGIN, SAMPLES, SIGN_IN, Browser
from tests.marks import asvs, practice, slow
from tests.resources import VALUES, values_for
from tests.routes import fingerprint, own_path, routes, unsafe_routes
from tests.security.client import encode, proof

# What the victim's browser sends along when the attacker's page makes it post.
CROSS_SITE = {
    "cross-site": {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
    "sibling subdomain": {"Sec-Fetch-Site": "same-site", "Origin": "https://blog.service.test"},
    "lying Origin, honest browser": {"Sec-Fetch-Site": "cross-site", "Origin": ORIGIN},
    "older browser": {"Sec-Fetch-Site": None, "Origin": "https://evil.example"},
    "sandboxed frame": {"Sec-Fetch-Site": None, "Origin": "null"},
    "plain HTTP": {"Sec-Fetch-Site": None, "Origin": "http://service.test"},
    "other port": {"Sec-Fetch-Site": None, "Origin": f"{ORIGIN}:8443"},
    "suffix": {"Sec-Fetch-Site": None, "Origin": f"{ORIGIN}.evil.example"},
    "unknown value": {"Sec-Fetch-Site": "none, same-origin", "Origin": ORIGIN},
}


def attack_every_route(
    app: Flask, browser: Browser, owner: str = "alice@example.com", **sent: Any
) -> set[int]:
    """Send to every unsafe route, with the ids of the owner's rows; the statuses of the answers.

    :param sent: what is sent. ``fields`` are added to those that a route takes, and sent as our own
        client sends them; that is the body where there is no other.
    """
    found, more = {}, sent.pop("fields", {})
    for route in unsafe_routes(app):
        body = {} if "data" in sent else encode(values_for(route.endpoint) | more)
        response = browser.open(route.method, own_path(app, route, owner), **body | sent)
        found[route] = response.status_code
    assert len(found) >= 8
    return set(found.values())


@practice("cross_origin")
@asvs("3.5.1", "3.5.2")
@pytest.mark.parametrize("headers", CROSS_SITE.values(), ids=CROSS_SITE)
@slow
def test_another_origin_is_refused_even_with_a_good_token(
    app: Flask, victim: Browser, headers: dict[str, str | None]
) -> None:
    known = proof(victim)
    before = fingerprint(app)
    assert attack_every_route(app, victim, headers=known | headers) == {403}
    assert fingerprint(app) == before


@practice("cross_origin")
@asvs("3.5.1")
def test_another_origin_is_refused_before_routing(victim: Browser) -> None:
    for path in ("/nothing-here", "/static/app.css", f"{HOME}/nothing", f"{SAMPLES.rstrip('/')}//"):
        assert victim.post(path, headers=CROSS_SITE["cross-site"]).status_code == 403


@practice("cross_origin")
def test_another_origin_cannot_use_up_the_visitors_limits(browser: Browser) -> None:
    for _ in range(12):
        browser.post(SIGN_IN, VALUES, headers=CROSS_SITE["cross-site"])
    assert browser.attempt(VALUES["email"], VALUES["password"]).status_code == 401  # and not 429


@asvs("3.5.3")
@slow
def test_reading_changes_nothing(app: Flask, victim: Browser) -> None:
    before = fingerprint(app)
    for route in routes(app):
        if route.method in ("GET", "HEAD"):
            query = {name: str(value) for name, value in values_for(route.endpoint).items()}
            for sent in (query, {}):  # a route may refuse arguments that it does not know
                path = own_path(app, route, victim.email)
                answer = victim.open(route.method, path, query_string=sent)
                # 500: it tries to write, and app.security.safe_methods does not let it.
                assert answer.status_code < 500, f"{route}: let a POST do what it does"
    assert fingerprint(app) == before


@asvs("3.5.3")
@pytest.mark.parametrize("override", ["_method", "X-HTTP-Method-Override"])
def test_no_way_to_disguise_a_method(app: Flask, victim: Browser, override: str) -> None:
    before = fingerprint(app)
    for route in unsafe_routes(app):
        sent = {override: route.method}
        path = own_path(app, route, victim.email)
        victim.get(path, query_string=sent, headers=sent)
    assert fingerprint(app) == before


@practice("cross_origin")
def test_start_up_notices_a_missing_gate(app: Flask) -> None:
    app.before_request_funcs[None].clear()
    assert [line for line in check(app) if "requests of other origins" in line]
