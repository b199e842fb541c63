"""Health checks: alive, and ready to work. They tell no more than that."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from tests.browser import Browser
from tests.database import flask_db
from tests.marks import asvs, practice, slow

READY = {"status": "ok", "database": "ok", "rate_limits": "ok", "mail": "ok"}


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_a_probe_needs_no_https_and_gets_no_cookie(app: Flask, path: str) -> None:
    # It reaches the socket itself, without Nginx and its headers.
    response = app.test_client().get(path, base_url="http://service.test")
    assert response.status_code == 200
    assert response.content_type == "application/json"
    assert "Set-Cookie" not in response.headers
    assert app.test_client().get("/", base_url="http://service.test").status_code == 403


@practice("https")
@asvs("12.2.1")
@pytest.mark.parametrize("path", ["/healthz/", "/readyz/", "/readyz/x", "/healthzx"])
def test_other_paths_are_refused_over_plain_http(app: Flask, path: str) -> None:
    assert app.test_client().get(path, base_url="http://service.test").status_code == 403


@pytest.mark.usefixtures("needs_redis")
def test_a_healthy_service_is_ready(browser: Browser) -> None:
    assert browser.get("/healthz").get_json() == {"status": "ok"}
    ready = browser.get("/readyz")
    assert ready.status_code == 200
    assert ready.get_json() == READY


@practice("rate_limits")
@asvs("16.5.2")
def test_the_service_is_degraded_but_ready_without_redis(
    make_app: Callable[..., Flask], tmp_path: Path
) -> None:
    for url in (f"redis+unix://{tmp_path}/nothing.sock", "redis://:canary@127.0.0.1:1/0"):
        browser = Browser(make_app(REDIS_URL=url))
        ready = browser.get("/readyz")
        assert ready.status_code == 200
        assert ready.get_json() == READY | {"status": "degraded", "rate_limits": "degraded"}
        assert browser.get("/healthz").status_code == 200


@practice("errors")
@asvs("16.5.2")
@slow
def test_the_service_is_not_ready_with_an_unmigrated_database(
    make_app: Callable[..., Flask], own_database: dict[str, str]
) -> None:
    app = make_app(**own_database)
    browser = Browser(app)
    ready = browser.get("/readyz")
    assert ready.status_code == 503
    assert ready.get_json()["database"] == "not migrated"

    assert flask_db(app, "upgrade").exit_code == 0
    assert browser.get("/readyz").status_code == 200
    assert flask_db(app, "downgrade", "base").exit_code == 0
    ready = browser.get("/readyz")
    assert ready.status_code == 503
    assert ready.get_json()["status"] == "unavailable"
    assert ready.get_json()["database"] == "not migrated"
    assert browser.get("/healthz").get_json() == {"status": "ok"}
