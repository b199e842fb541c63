"""A token that is sent in the clear: refused, and never redirected, so that somebody notices."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from tests import live
from tests.browser import API, SAMPLES, Browser
from tests.live import Site
from tests.marks import asvs, practice
from tests.routes import routes

pytestmark = practice("https")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Iterator[Site]:
    """Nginx in front of the service."""
    directory = tmp_path_factory.mktemp("plain")
    with live.gunicorn(directory, environment) as app, live.nginx(directory, app) as running:
        yield running


@asvs("4.1.2", "12.2.1")
def test_the_app_refuses_every_route_of_the_api(app: Flask, alice: Browser) -> None:
    for route in routes(app):
        if route.rule.startswith(API):
            plain = {"X-Forwarded-Proto": "http"}
            response = alice.open(route.method, route.path(), headers=plain)
            assert response.status_code == 403, route
            assert "Location" not in response.headers
            assert response.content_type == "application/problem+json"


@asvs("4.1.2", "12.2.1")
@pytest.mark.parametrize("path", [SAMPLES, f"{API}/auth/token", f"{API}/me", "/api/", "/api/v2/x"])
def test_nginx_refuses_plain_http_before_the_app(site: Site, path: str) -> None:
    for method in ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS"):
        headers = {"Authorization": "Bearer canary", "X-Forwarded-Proto": "https"}
        answer = site.request(method, path, headers=headers, tls=False)
        assert answer.status == 403, method
        assert answer.header("location") is None
        assert answer.header("content-type") == "application/problem+json"
        assert answer.header("cache-control") == "no-store"
        if method != "HEAD":
            problem = json.loads(answer.body)
            assert problem["detail"] == "This service accepts only HTTPS."
    assert path not in Path(site.directory, "app.log").read_text()
    assert "canary" not in site.log()


def test_nginx_answers_problems_whatever_a_client_prefers(site: Site) -> None:
    for accept in ("text/html", "*/*", "application/json"):
        answer = site.request("TRACE", SAMPLES, headers={"Accept": accept})
        assert answer.status == 405
        assert answer.header("content-type") == "application/problem+json"
        assert json.loads(answer.body)["status"] == 405
