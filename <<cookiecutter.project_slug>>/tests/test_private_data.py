"""Data that is not for everybody: files that are not pages, pages that a cache keeps."""

from __future__ import annotations

import re

import pytest
from flask import Flask

from app.security.access import is_public
from tests.browser import CHALLENGED, Browser
from tests.marks import asvs, practice, slow
from tests.resources import add_all
from tests.routes import own_path, routes

pytestmark = practice("headers")

# --- What is no page is not found


HIDDEN = """
/.git/config /.git/HEAD /.env /.env.example /.htaccess /.well-known/ /wsgi.py /app/settings.py
/requirements.lock /pyproject.toml /instance/development.sqlite3 /migrations/env.py
/static/ /static/../wsgi.py /static/..%2fwsgi.py /static/%2e%2e/wsgi.py /static/..%5c..%5cwsgi.py
/static/../../etc/passwd /static//etc/passwd /static/%2fetc%2fpasswd /static/.../wsgi.py
/%2fetc/passwd /etc/passwd /templates/base.html /static/app.css.map /static/app.css%00
/console /debug /admin /server-status /metrics /robots.txt /nonexist.css
/docs /docs/ /redoc /swagger /swagger.json /swagger-ui/ /openapi.json /api/openapi.yaml /api-docs
/apidocs /apispec.json /schema /graphql /graphiql /actuator/health /prometheus /status /stats /health
/nginx_status /stub_status /server-info /debug/pprof/ /flower /dev /dev/components /_debug /trace
""".split()
# Web cache deception: a cache that goes by the ending takes somebody's page for a public file.
DECEPTIVE = """
/samples/x.css /samples/%2e%2e/x.css /samples/;x.css /samples/%0ax.css /account/x.js /account/;x.css
/account/password/x.css /account.css /samples.css /auth/login/x.ico
""".split()


@asvs("13.4.1", "13.4.3", "13.4.5", "14.2.5")
@pytest.mark.parametrize("paths", [HIDDEN, DECEPTIVE], ids=["hidden", "deceptive"])
def test_paths_that_are_not_routes_are_not_found(
    browser: Browser, alice: Browser, paths: list[str]
) -> None:
    own = [alice.write() + ending for ending in ("/x.css", ".css", ";x.css", "%2fx.css")]
    for visitor in (browser, alice):
        for path in [*paths, *own]:
            response = visitor.get(path, follow_redirects=True)
            assert response.status_code == 404, path
            assert response.headers["Cache-Control"] == "no-store", path
            assert alice.email not in response.text


# What describes the service or watches it, by a word of its address.
TELLING = re.compile(
    "doc|swagger|openapi|redoc|schema|graphi?ql|health|ready|alive|live|metric|prometh|statu?s"
    "|debug|console|trace|profil|admin|actuator|info|version|dev(?!ice)"
)
MEANT = {
    "/healthz": "a load balancer asks whether the process runs, and learns nothing else",
    "/readyz": "operators ask over the socket; Nginx answers 404 to everybody else",
    # <% if cookiecutter.__interface == "json" %>
    "/api/v1/openapi.json": "those who write clients need the contract; it has no internal route",
    # <% endif %>
}


@practice("access")
@asvs("13.4.5")
def test_documentation_and_monitoring_are_open_only_where_that_is_meant(app: Flask) -> None:
    """Signed-in users see what a route of theirs shows; this is about everybody else."""
    found = {
        route.rule
        for route in routes(app)
        if route.endpoint != "static" and is_public(app, route.endpoint)
        if TELLING.search(route.rule)
    }
    for rule in sorted(found - MEANT.keys()):
        raise AssertionError(
            f"{rule} is open to everybody, and its name tells of documentation or monitoring: remove"
            " @public, or write into MEANT why everybody may read it."
        )
    assert found == MEANT.keys()


# --- Nothing personal is kept


@asvs("14.2.2", "14.3.2")
@slow
def test_no_response_is_kept_but_static_files(app: Flask, browser: Browser, alice: Browser) -> None:
    add_all(app, alice.email)
    statuses = set()
    for visitor in (browser, alice):
        for route in routes(app):
            response = visitor.open(route.method, own_path(app, route, alice.email))
            kept = route.endpoint == "static" and response.status_code == 200
            expected = "no-cache" if kept else "no-store"  # no-cache: ask before every use
            assert response.headers["Cache-Control"] == expected, route
            statuses.add(response.status_code)
    assert statuses >= {200, CHALLENGED, 401}
