"""The API has no page and no script: what is said about them would begin to count with the first.

Whoever adds a page takes over what the choice "session" has for it, with its tests.
"""

from __future__ import annotations

from pathlib import Path

from flask import Flask

from tests.browser import Browser
from tests.marks import asvs, practice, slow
from tests.resources import add_all
from tests.routes import own_path, routes

pytestmark = practice("headers")


@asvs("3.2.2", "3.5.5", "3.7.1", "6.2.6", "6.2.7", "7.4.4", "15.3.6")
@slow
def test_there_is_no_page_and_no_script(app: Flask, browser: Browser, alice: Browser) -> None:
    add_all(app, alice.email)
    for visitor in (browser, alice):
        for route in routes(app):
            response = visitor.open(route.method, own_path(app, route, alice.email))
            assert response.mimetype in ("application/json", "application/problem+json") or (
                not response.data or response.mimetype == "text/plain"
            ), route
    files = [path for path in Path("app").rglob("*") if path.suffix not in ("", ".py", ".pyc")]
    pages = {path.as_posix() for path in files if path.suffix != ".txt"}
    assert pages == {"app/templates/openapi.html"}  # in development: tests/test_openapi_page.py
