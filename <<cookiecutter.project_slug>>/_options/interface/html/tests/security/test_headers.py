"""The content headers, exactly, on every kind of response: injected markup must find no use."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha384

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.security import check
from tests.browser import FORM_ACTION, PASSWORD, SIGN_IN, SIGNED_OUT, Browser, html
from tests.marks import asvs
from tests.security.test_errors import break_every_view

# Written out, not imported: what is sent is compared with what was meant.
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
    f"connect-src 'self'; form-action {FORM_ACTION}; base-uri 'none'; frame-ancestors 'none'; "
    "object-src 'none'; require-trusted-types-for 'script'; trusted-types 'none'; "
    "upgrade-insecure-requests"
)
EVERYWHERE = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Origin-Agent-Cluster": "?1",
    "X-Permitted-Cross-Domain-Policies": "none",
    "Permissions-Policy": (
        "accelerometer=(), browsing-topics=(), camera=(), display-capture=(), geolocation=(), "
        "gyroscope=(), magnetometer=(), microphone=(), payment=(), usb=()"
    ),
    "Cache-Control": "no-store",
}
PAGE = {**EVERYWHERE, "Content-Type": "text/html; charset=utf-8"}
PERSONAL = {**PAGE, "Vary": "Cookie"}  # of a route that asked who is there


def headers(response: TestResponse) -> dict[str, str]:
    """All headers but those that differ from one response to the next, which are checked here."""
    found = dict(response.headers)
    assert len(found) == len(list(response.headers)), "a header was sent twice"
    assert re.fullmatch("[0-9a-f]{32}", found.pop("X-Request-ID"))
    length = found.pop("Content-Length", None)
    assert length in (None, str(len(response.data)))
    if "Set-Cookie" in found:
        cookie = found.pop("Set-Cookie")
        assert re.fullmatch(
            r"__Host-session=[\w.-]*;( Expires=[^;]+; Max-Age=0;)? Secure; HttpOnly; Path=/; SameSite=Lax",
            cookie,
        )
    return found


@asvs("3.4.3", "3.4.4", "3.4.5", "3.4.6", "3.4.8", "3.5.8", "4.1.1")
def test_public_page(browser: Browser) -> None:
    response = browser.get("/")
    assert "Set-Cookie" not in response.headers
    assert headers(response) == PERSONAL


def test_sign_in_page(browser: Browser) -> None:
    assert headers(browser.get("/auth/login")) == PERSONAL


@asvs("3.4.3", "3.4.4", "3.4.5", "3.4.6", "3.4.8", "3.5.8", "14.3.2")
def test_personal_page(alice: Browser) -> None:
    path = alice.write_note()
    for page in ("/notes/", "/notes/new", path, f"{path}/edit", "/account/"):
        assert headers(alice.get(page)) == PERSONAL, page


@asvs("3.4.3", "3.4.4", "3.4.6")
def test_redirect(browser: Browser, alice: Browser) -> None:
    challenge = headers(browser.get("/notes/"))
    assert challenge == {**PERSONAL, "Location": "/auth/login?next=/notes/"}
    signed_in = headers(browser.sign_in(alice.email))
    assert signed_in == {**PERSONAL, "Location": "/notes/"}
    assert headers(browser.get("/notes")) == {**PAGE, "Location": "https://service.test/notes/"}


def test_sign_out(alice: Browser) -> None:
    assert headers(alice.sign_out()) == {
        **PERSONAL,
        "Location": SIGNED_OUT,
        "Clear-Site-Data": '"cache", "cookies", "storage"',
    }


@asvs("3.4.4", "3.4.6", "4.1.1")
def test_json(browser: Browser) -> None:
    json = {**PERSONAL, "Content-Type": "application/json"}
    assert headers(browser.get("/healthz")) == json
    assert headers(browser.get("/readyz")) == json


def test_security_txt(browser: Browser) -> None:
    plain = {**PERSONAL, "Content-Type": "text/plain; charset=utf-8"}
    assert headers(browser.get("/.well-known/security.txt")) == plain


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
    response = browser.get(app.jinja_env.globals["asset"](name).url)
    found = headers(response)
    for changing in ("Date", "ETag", "Last-Modified"):
        found.pop(changing)
    assert found == {
        **EVERYWHERE,
        "Content-Type": content_type,
        "Accept-Ranges": "bytes",
        "Content-Disposition": f"inline; filename={name}",
        "Cache-Control": "public, max-age=31536000, immutable",
    }


@asvs("3.4.3", "3.4.4", "3.4.5", "3.4.6", "3.4.8", "3.5.8", "4.1.1")
def test_errors(app: Flask, browser: Browser, alice: Browser) -> None:
    form = {"email": alice.email, "password": PASSWORD[:-1]}
    assert headers(browser.get("/nothing")) == PAGE
    assert headers(alice.get("/nothing")) == PAGE
    assert headers(alice.get(f"/notes/{'A' * 22}")) == PERSONAL
    assert headers(alice.post("/notes/new")) == PERSONAL
    assert headers(browser.post("/notes/new")) == PERSONAL
    assert headers(browser.submit(SIGN_IN, form)) == PERSONAL
    assert headers(browser.post("/", headers={"Sec-Fetch-Site": "cross-site"})) == PAGE
    assert headers(browser.get("/", headers={"X-Forwarded-Proto": "http"})) == PAGE
    assert headers(browser.get("/", base_url="https://evil.example")) == PAGE
    refused = headers(browser.open("TRACE", "/"))
    assert set(refused.pop("Allow").split(", ")) == {"GET", "HEAD", "OPTIONS"}
    assert refused == PAGE
    problem = browser.get("/nothing", headers={"Accept": "application/json"})
    assert headers(problem) == {**PAGE, "Content-Type": "application/problem+json"}
    break_every_view(app)
    assert headers(browser.get("/")) == PERSONAL


@asvs("3.4.2")
def test_another_origin_may_read_nothing(alice: Browser) -> None:
    # CORS is off: no answer names an origin, whatever the request asks for.
    for method in ("GET", "OPTIONS"):
        sent = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
        response = alice.open(method, "/notes/", headers=sent)
        assert "Access-Control-" not in str(response.headers)


@asvs("3.6.1")
def test_scripts_and_styles_are_our_files_unchanged(alice: Browser, browser: Browser) -> None:
    for visitor, path in [(browser, "/"), (browser, "/auth/login"), (alice, "/notes/new")]:
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


@asvs("3.4.3", "3.4.6")
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


@pytest.mark.parametrize(
    ("policy", "problem"),
    [
        ("", "does not start from default-src 'none'"),
        ("default-src 'self'", "does not start from default-src 'none'"),
        (
            "default-src 'none'; script-src 'unsafe-inline'",
            "allows inline, data: or foreign content",
        ),
        ("default-src 'none'; script-src data:", "allows inline, data: or foreign content"),
        ("default-src 'none'; img-src *", "allows inline, data: or foreign content"),
    ],
)
def test_start_up_notices_an_open_policy(app: Flask, policy: str, problem: str) -> None:
    assert list(check(app)) == []
    app.config["CONTENT_HEADERS"]["Content-Security-Policy"] = policy
    assert list(check(app)) == [f"the Content-Security-Policy {problem}"]
