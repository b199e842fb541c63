"""CORS: a page of another origin must read nothing, unless its origin is on the list."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from app.settings import ConfigurationError
from tests.browser import API, SAMPLES, SIGN_IN, Browser
from tests.marks import asvs, slow
from tests.routes import routes

APP = "https://app.example.com"
OTHER = "https://dashboard.example.com:8443"
FOREIGN = [
    "https://evil.example",
    "null",
    "",
    "*",
    "http://app.example.com",
    "https://app.example.com.evil.example",
    "https://evil.app.example.com",
    "https://app.example.com:444",
    "https://app.example.com/",
    "https://APP.example.com",
    f"{APP}, {OTHER}",
    f"{APP} {OTHER}",
    "https://app-example.com",
]


@pytest.fixture
def opened(app: Flask, make_app: Callable[..., Flask]) -> Browser:
    """The service with two origins on its list, and a user."""
    return Browser(make_app(CORS_ORIGINS=f"{APP},{OTHER}")).sign_up("alice@example.com")


def preflight(browser: Browser, path: str, origin: str, method: str = "POST") -> object:
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization,content-type",
        "Authorization": None,  # a browser asks without it
        "Sec-Fetch-Site": "cross-site",
    }
    return browser.open("OPTIONS", path, headers=headers)


def cors_headers(response: object) -> dict[str, str]:
    return {k: v for k, v in response.headers if k.startswith("Access-Control-")}  # type: ignore[attr-defined]


@asvs("3.4.2")
def test_cors_is_closed_by_default(app: Flask, alice: Browser) -> None:
    assert app.config["CORS_ORIGINS"] == ()
    for origin in (APP, *FOREIGN):
        for route in routes(app):
            sent = {"Origin": origin, "Access-Control-Request-Method": route.method}
            response = alice.open(route.method, route.path(), headers=sent)
            assert cors_headers(response) == {}, (route, origin)
            assert "Origin" not in response.headers.get("Vary", "")


@asvs("3.4.2")
@pytest.mark.parametrize("origin", FOREIGN)
@slow
def test_an_origin_that_is_not_on_the_list_gets_nothing(opened: Browser, origin: str) -> None:
    for response in (
        preflight(opened, SAMPLES, origin),
        opened.get(SAMPLES, headers={"Origin": origin}),
        opened.post(SAMPLES, headers={"Origin": origin, "Sec-Fetch-Site": "cross-site"}),
    ):
        assert cors_headers(response) == {}
        assert response.headers["Vary"] == "Origin"  # type: ignore[attr-defined]
    assert response.status_code == 403


@asvs("3.4.2")
@pytest.mark.parametrize("origin", [APP, OTHER])
def test_an_app_on_the_list_can_do_everything(opened: Browser, origin: str) -> None:
    browser = {"Origin": origin, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}
    response = preflight(opened, SAMPLES, origin)
    assert response.status_code == 200  # type: ignore[attr-defined]
    assert cors_headers(response) == {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS, POST",
        "Access-Control-Allow-Headers": "Authorization, Content-Type",
        "Access-Control-Max-Age": "600",
        "Access-Control-Expose-Headers": "Location, Retry-After, WWW-Authenticate, X-Request-ID",
    }
    written = opened.post(SAMPLES, {"title": "a", "body": "b"}, headers=browser)
    assert written.status_code == 201
    for answer in (
        written,
        opened.get(written.headers["Location"], headers=browser),
        opened.post(SAMPLES, {}, headers=browser),  # errors can be read as well
        opened.get("/nothing", headers=browser),
        Browser(opened.app).get(SAMPLES, headers=browser),
    ):
        assert cors_headers(answer) == {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Expose-Headers": "Location, Retry-After, WWW-Authenticate, X-Request-ID",
        }
        assert answer.headers["Vary"] == "Origin"


def test_every_method_of_a_path_can_be_asked_for(opened: Browser) -> None:
    path = opened.write()
    for method in ("GET", "PUT", "DELETE"):
        allowed = cors_headers(preflight(opened, path, APP, method))["Access-Control-Allow-Methods"]
        assert method in allowed.split(", ")
    assert preflight(opened, "/nothing", APP).status_code == 404  # type: ignore[attr-defined]


@asvs("3.4.2")
@slow
def test_credentials_are_never_allowed(opened: Browser) -> None:
    for route in routes(opened.app):
        for response in (
            opened.open(route.method, route.path(), headers={"Origin": APP}),
            preflight(opened, route.path(), APP, route.method),
        ):
            assert "Access-Control-Allow-Credentials" not in response.headers  # type: ignore[attr-defined]
            assert response.headers.get("Access-Control-Allow-Origin") != "*"  # type: ignore[attr-defined]


def test_a_preflight_does_not_run_the_view(opened: Browser) -> None:
    # The answer has no content, and nothing was done.
    for path in (SIGN_IN, SAMPLES, f"{API}/me"):
        response = preflight(opened, path, APP)
        assert response.data == b""  # type: ignore[attr-defined]
    ordinary = opened.open("OPTIONS", SAMPLES, headers={"Authorization": None, "Origin": APP})
    assert ordinary.status_code == 401  # no preflight: no exception


@asvs("3.4.2")
@pytest.mark.parametrize(
    "origin",
    [
        "*",
        "null",
        "app.example.com",
        "http://app.example.com",
        "https://*.example.com",
        "https://app.example.com/",
        "https://app.example.com/path",
        "https://app.example.com:443",
        "https://app.example.com:0",
        "https://App.example.com",
        "https://user@app.example.com",
        "https://app.example.com?x",
        "https://",
        "https://.example.com",
    ],
)
def test_start_up_refuses_what_is_no_exact_origin(
    make_app: Callable[..., Flask], origin: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        make_app(CORS_ORIGINS=f"{APP},{origin}")
    assert refused.value.problems == [
        f"CORS_ORIGINS has {origin!r}; write origins such as https://app.example.com"
    ]


def test_several_origins_may_be_named(make_app: Callable[..., Flask]) -> None:
    for value in (f"{APP},{OTHER}", f"{APP}, {OTHER}", f" {APP} {OTHER} "):
        assert make_app(CORS_ORIGINS=value).config["CORS_ORIGINS"] == (APP, OTHER)
