"""The page with the description of the API: for people in development, and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from flask import Flask

from app import api
from app.openapi_page import PAGE
from tests.browser import API, Browser
from tests.marks import practice

pytestmark = practice("headers")


@pytest.fixture
def development(make_app: Callable[..., Flask]) -> Flask:
    return make_app(APP_ENV="development", DOMAIN_NAME="localhost")


def read(app: Flask) -> str:
    answer = app.test_client().get(PAGE, base_url="http://localhost")
    assert answer.status_code == 200
    assert answer.mimetype == "text/html"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    return answer.text


def test_production_has_no_openapi_page(app: Flask, alice: Browser, browser: Browser) -> None:
    assert alice.get(PAGE).status_code == browser.get(PAGE).status_code == 404
    assert PAGE not in {rule.rule for rule in app.url_map.iter_rules()}


def test_the_openapi_page_shows_each_operation_and_model(development: Flask) -> None:
    page = read(development)
    client = development.test_client()
    document = client.get(f"{API}/openapi.json", base_url="http://localhost").json
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            anchor = f"{operation['operationId']}-{method.upper()}"
            assert f'<h2 id="{anchor}"><code>{method.upper()} {path}</code></h2>' in page
            assert page.count(f'href="#{anchor}"') == 1
    for name in document["components"]["schemas"]:
        assert f'<h3 id="{name}">' in page
    anchors = set(re.findall(r'href="#([^"]+)"', page))
    assert anchors <= set(re.findall(r'id="([^"]+)"', page))


def test_the_openapi_page_has_no_scripts_or_external_files(development: Flask) -> None:
    page = read(development)
    assert not re.search(r"<(script|style|link|img|iframe|object|embed|form)\b", page)
    assert not re.search(r"\s(on\w+|style|src)=", page)
    assert {it for it in re.findall(r'href="([^"]+)"', page) if it[0] != "#"} == {
        f"{API}/openapi.json"
    }


def test_descriptions_of_routes_are_escaped(development: Flask) -> None:
    view = api.operation("<script>alert(1)</script>")(lambda: None)
    development.add_url_rule("/api/v1/new", "new", view)
    page = read(development)
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
