"""The content headers, exactly, of every kind of page and file."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha384

import pytest
from flask import Flask

from tests.browser import (
    CLEARED,
    FORM_ACTION,
    PROFILE,
    SIGNED_OUT,
    WRITE,
    Browser,
    after_sign_in,
    html,
)
from tests.marks import asvs, practice
from tests.resources import add_all
from tests.routes import own_path, routes
from tests.security.client import PUBLIC
from tests.security.sent_headers import EVERYWHERE, PAGE, PERSONAL
from tests.security.test_errors import break_every_view
from tests.security.test_headers import headers

pytestmark = practice("headers")


@asvs("3.4.3", "3.4.4", "3.4.5", "3.4.6", "3.4.8", "3.5.8", "4.1.1")
def test_public_page(browser: Browser) -> None:
    response = browser.get("/")
    assert "Set-Cookie" not in response.headers
    assert headers(response) == PERSONAL


def test_sign_in_page(browser: Browser) -> None:
    assert headers(browser.get("/auth/login")) == PERSONAL


@asvs("3.4.3", "3.4.4", "3.4.5", "3.4.6", "3.4.8", "3.5.8", "14.3.2")
def test_personal_page(app: Flask, alice: Browser) -> None:
    add_all(app, alice.email)
    personal = [r for r in routes(app) if r.method == "GET" and r.endpoint not in PUBLIC]
    assert len(personal) >= 5
    for route in personal:
        assert headers(alice.get(own_path(app, route, alice.email))) == PERSONAL, route


@asvs("3.4.3", "3.4.4", "3.4.6")
def test_redirect(browser: Browser, alice: Browser) -> None:
    challenge = headers(browser.get(PROFILE))
    assert challenge == {**PERSONAL, "Location": "/auth/login?next=/account/"}
    signed_in = headers(browser.sign_in(alice.email))
    assert signed_in == {**PERSONAL, "Location": after_sign_in(browser.app)}
    assert headers(browser.get("/account")) == {**PAGE, "Location": "https://service.test/account/"}


def test_sign_out(alice: Browser) -> None:
    assert headers(alice.sign_out()) == {
        **PERSONAL,
        "Location": SIGNED_OUT,
        "Clear-Site-Data": CLEARED,
    }


@asvs("3.4.4", "3.4.6", "4.1.1")
def test_json(browser: Browser) -> None:
    json = {**PERSONAL, "Content-Type": "application/json"}
    assert headers(browser.get("/healthz")) == json
    assert headers(browser.get("/readyz")) == json


@asvs("3.4.4", "3.4.6", "3.5.8", "4.1.1")
@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("app.css", "text/css; charset=utf-8"),
        ("app.js", "text/javascript; charset=utf-8"),
        ("icon.svg", "image/svg+xml; charset=utf-8"),
    ],
)
def test_static_file(app: Flask, browser: Browser, name: str, content_type: str) -> None:
    expected = {
        **EVERYWHERE,
        "Accept-Ranges": "bytes",
        "Content-Disposition": f"inline; filename={name}",
        "Cache-Control": "public, max-age=31536000, immutable",
    }
    url = app.jinja_env.globals["asset"](name).url
    found = headers(browser.get(url))
    known = {"If-None-Match": found.pop("ETag"), "If-Modified-Since": found.pop("Last-Modified")}
    del found["Date"]
    assert found == {**expected, "Content-Type": content_type}

    unchanged = browser.get(url, headers=known)
    assert unchanged.status_code == 304
    found = headers(unchanged)
    assert found.pop("ETag") == known["If-None-Match"]
    del found["Date"]
    assert found == expected


@asvs("3.4.4", "3.4.6")
def test_errors_of_pages(app: Flask, browser: Browser) -> None:
    problem = browser.get("/nothing", headers={"Accept": "application/json"})
    assert headers(problem) == {**PAGE, "Content-Type": "application/problem+json"}
    allowed = browser.open("TRACE", "/").headers["Allow"]
    assert set(allowed.split(", ")) == {"GET", "HEAD", "OPTIONS"}
    break_every_view(app)
    assert headers(browser.get("/")) == PERSONAL


@asvs("3.4.2")
def test_another_origin_may_read_nothing(alice: Browser) -> None:
    # CORS is off: no answer names an origin, whatever the request asks for.
    for method in ("GET", "OPTIONS"):
        sent = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
        response = alice.open(method, PROFILE, headers=sent)
        assert "Access-Control-" not in str(response.headers)


@asvs("3.6.1")
def test_scripts_and_styles_are_our_files_unchanged(alice: Browser, browser: Browser) -> None:
    for visitor, path in [(browser, "/"), (browser, "/auth/login"), (alice, WRITE)]:
        page = html(visitor.get(path))
        sources = [(s.attributes["src"], s.attributes) for s in page.css("script")]
        sources += [(s.attributes["href"], s.attributes) for s in page.css("link[rel=stylesheet]")]
        assert len(sources) >= 2
        for address, attributes in sources:
            file = visitor.get(address)
            assert file.status_code == 200
            digest = b64encode(sha384(file.data).digest()).decode()
            assert attributes["integrity"] == f"sha384-{digest}"
        # The policy forbids them; pages that need them would be broken.
        assert not page.css("style, [style], script:not([src]), iframe, object, base")


@asvs("3.4.3", "3.4.6", "14.2.3")
def test_the_policy_allows_nothing_but_our_own_files(browser: Browser) -> None:
    policy = browser.get("/").headers["Content-Security-Policy"]
    directives = [directive.split() for directive in policy.split(";")]
    names = [name for name, *_ in directives]
    assert len(names) == len(set(names)), "browsers ignore a directive's second appearance"
    sources = {name: values for name, *values in directives}
    assert " ".join(sources.pop("form-action")) == FORM_ACTION
    assert sources["default-src"] == ["'none'"]
    for name in ("object-src", "base-uri", "frame-ancestors"):
        assert sources[name] == ["'none'"]
    used = {value for values in sources.values() for value in values}
    assert used == {"'none'", "'self'", "'script'"}
