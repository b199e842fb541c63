"""Errors must not tell how the service is built: not in a body, not in a header."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import (
    DatabaseError,
    IntegrityError,
    InternalError,
    OperationalError,
    ProgrammingError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm.exc import StaleDataError
from werkzeug.test import TestResponse

from app.auth import sessions
from app.database import migration_engine
from app.security import check
from app.settings import ConfigurationError
from tests import faults
# <% if cookiecutter.__interface == "json" %>
from tests.browser import PASSWORD, PROFILE, SAMPLES, SIGN_IN, WRITE, Browser
# <% else %>
from tests.browser import PASSWORD, PROFILE, SAMPLES, SIGN_IN, WRITE, WRONG_FORMS, Browser, html
# <% endif %>
from tests.database import migrate
from tests.marks import asvs, slow
from tests.resources import HARMLESS, VALUES, WRITABLE, Resource, values_for
from tests.routes import Route, routes
from tests.security import client
from tests.security.answers import assert_error
from tests.security.client import FORMATS, OTHER_ANSWERS, TYPE, encode, proof
from tests.security.writing import Writer

CANARY = "canary-5c1e"
LEAK = re.compile(
    rf"{CANARY}|Traceback|File \"|\.py\b|site-packages|/app/|[A-Z]\w+(Error|Exception)\b"
    r"|SELECT |INSERT INTO|UPDATE \w+ SET|DELETE FROM|PRAGMA |sqlalchemy\.|sqlalche\.me|sqlite3|sqlite:"
    r"|pydantic|jwt\.|(?i:werkzeug|python|flask|jinja2?|sqlalchemy|gunicorn|nginx|redis)/\d"
)
OWN_FORMAT = {"health.ready", "backchannel.logout"}  # a specification says what they answer


def assert_tells_nothing(response: TestResponse) -> None:
    answer = f"{response.headers}{response.text}"
    assert not (found := LEAK.search(answer)), f"{response.request.path} shows {found[0]!r}"


def every_route(
    app: Flask, visitor: Browser, **kwargs: Any
) -> Iterator[tuple[Route, TestResponse]]:
    """The answer of every route; each is checked: it tells nothing, and an error has its format.

    Without a body, what each route takes is sent.
    """
    seen = 0
    for route in routes(app):
        if route.method == "OPTIONS":
            continue  # answered without the view
        body = {} if route.is_safe or "data" in kwargs else encode(values_for(route.endpoint))
        response = visitor.open(route.method, route.path(), **body | kwargs)
        assert_tells_nothing(response)
        if response.status_code >= 400 and route.endpoint not in OWN_FORMAT:
            assert response.mimetype in client.ERROR_TYPES, route
        yield route, response
        seen += 1
    assert seen >= 20


# --- What every status looks like


def limited(alice: Browser, app: Flask, **kwargs: Any) -> TestResponse:
    for _ in range(10):  # refused and counted, and no password is hashed
        alice.post_form(SIGN_IN)
    return alice.post_form(SIGN_IN, **kwargs)


def broken(alice: Browser, app: Flask, **kwargs: Any) -> TestResponse:
    break_every_view(app)
    return alice.get(SAMPLES, **kwargs)


def stale(alice: Browser, app: Flask, headers: dict[str, str]) -> TestResponse:
    headers = proof(alice) | headers
    break_every_view(app, StaleDataError(CANARY))
    return alice.open("POST", WRITE, headers=headers, **encode({}))


def without_database(alice: Browser, app: Flask, **kwargs: Any) -> TestResponse:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sessions, "find", failing(OperationalError(CANARY, {}, Exception(CANARY))))
        return alice.get(SAMPLES, **kwargs)


def write(alice: Browser, data: bytes, **kwargs: Any) -> TestResponse:
    return alice.open("POST", WRITE, data=data, **{"content_type": TYPE} | kwargs)


STATUSES: dict[int, Callable[..., TestResponse]] = {
    400: lambda alice, app, **kw: write(alice, b"{", **kw),  # no JSON, or no CSRF token
    401: lambda alice, app, **kw: Browser(app).post(WRITE, **kw),
    403: lambda alice, app, headers: alice.get(
        SAMPLES, headers={"X-Forwarded-Proto": "http"} | headers
    ),
    404: lambda alice, app, **kw: alice.get("/nothing-here", **kw),
    405: lambda alice, app, **kw: alice.open("PATCH", WRITE, data=b"{}", content_type=TYPE, **kw),
    409: stale,
    413: lambda alice, app, **kw: write(alice, b"a" * 1_048_577, **kw),
    # <% if cookiecutter.__interface == "json" %>
    415: lambda alice, app, **kw: alice.post_form(WRITE, **kw),
    422: lambda alice, app, **kw: alice.post(WRITE, {}, **kw),
    # <% endif %>
    429: limited,
    500: broken,
    503: without_database,
}
EXTRA_HEADERS = {
    401: set(client.CHALLENGE),
    405: {"Allow"},
    429: {"Retry-After"},
    503: {"Retry-After"},
}


@asvs("13.4.6", "16.5.1")
@pytest.mark.parametrize("headers", FORMATS.values(), ids=FORMATS)
@pytest.mark.parametrize(("status", "cause"), STATUSES.items(), ids=map(str, STATUSES))
@slow
def test_every_error_has_its_format_and_the_request_id(
    app: Flask,
    alice: Browser,
    log: Callable[[], list[dict[str, Any]]],
    status: int,
    cause: Callable[..., TestResponse],
    headers: dict[str, str],
) -> None:
    answer = cause(alice, app, headers=headers)
    assert answer.status_code == status
    assert_error(answer, headers)
    assert_tells_nothing(answer)
    lines = {line["request_id"]: line for line in log() if line["event"] == "request"}
    assert lines[answer.headers["X-Request-ID"]]["status"] == status
    kept = {"Allow", "Retry-After", "WWW-Authenticate"} & set(answer.headers.keys())
    assert kept == EXTRA_HEADERS.get(status, set())


# <% if cookiecutter.__interface == "html" %>
def test_the_format_is_the_one_that_was_asked_for(browser: Browser) -> None:
    page, problem = "text/html; charset=utf-8", "application/problem+json"
    for accept, content_type in {
        "*/*": page,
        "": page,
        "nonsense;;q=x,": page,
        "application/json;q=0.5, text/html": page,
        "text/html;q=0.5, application/json": problem,
        "application/problem+json": problem,
        "image/png, application/json;q=0.1": problem,
    }.items():
        response = browser.get("/nothing", headers={"Accept": accept})
        assert response.content_type == content_type, accept


@slow
def test_a_form_that_was_filled_in_wrongly_comes_back_as_a_page(app: Flask, alice: Browser) -> None:
    for path, status in WRONG_FORMS.items():
        response = alice.submit(path, dict.fromkeys(client.fields_of_code(app), ""))
        assert response.status_code == status
        assert html(response).css_first("main form")
        assert_tells_nothing(response)


# <% endif %>
def test_a_refused_method_names_the_allowed_ones(browser: Browser) -> None:
    response = browser.open("PATCH", WRITE, data=b"{}", content_type=TYPE)
    assert set(response.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS", "POST"}


# --- What fails inside


def failing(error: Exception) -> Callable[..., Any]:
    def fail(*args: object, **kwargs: object) -> None:
        raise error

    return fail


def break_every_view(app: Flask, error: Exception | None = None) -> None:
    for endpoint, view in app.view_functions.items():
        app.view_functions[endpoint] = wraps(view)(failing(error or ZeroDivisionError(CANARY)))


@asvs("13.4.6", "16.5.1", "16.5.4")
@pytest.mark.parametrize("headers", FORMATS.values(), ids=FORMATS)
def test_no_route_shows_an_exception(app: Flask, alice: Browser, headers: dict[str, str]) -> None:
    headers = proof(alice) | headers
    break_every_view(app)
    for route, response in every_route(app, alice, headers=headers):
        guarded = route.endpoint.startswith("operators.")  # with oidc: refused before the view
        assert response.status_code == (403 if guarded else 500), route


ERRORS: dict[Exception, int] = {
    ZeroDivisionError(CANARY): 500,
    KeyError(CANARY): 500,  # in debug mode Flask shows the name of a missing form field
    RuntimeError(f"SELECT {CANARY}"): 500,
    UnicodeDecodeError("utf-8", b"x", 0, 1, CANARY): 500,
    RecursionError(CANARY): 500,
    OperationalError(f"SELECT {CANARY}", {"email": CANARY}, Exception(CANARY)): 503,
    PoolTimeout(CANARY): 503,
    InternalError(CANARY, {}, Exception(CANARY)): 503,  # psycopg, of a server that is read-only
    DatabaseError(CANARY, {}, Exception(CANARY), connection_invalidated=True): 503,
    DatabaseError(CANARY, {}, Exception(CANARY)): 500,
    ProgrammingError(CANARY, {}, Exception(CANARY)): 500,
    IntegrityError(CANARY, {}, Exception(CANARY)): 500,
}


@asvs("16.3.4", "16.5.1")
def test_the_cause_is_in_the_log_alone(
    alice: Browser, monkeypatch: pytest.MonkeyPatch, log: Callable[[], list[dict[str, Any]]]
) -> None:
    for error, status in ERRORS.items():
        # Before any view: while it is found out who asks.
        monkeypatch.setattr(sessions, "find", failing(error))
        log()
        response = alice.get(SAMPLES)
        assert response.status_code == status, error
        assert_tells_nothing(response)
        (line,) = (entry for entry in log() if "exception" in entry)
        assert line["level"] == "ERROR"
        assert line["request_id"] == response.headers["X-Request-ID"]
        assert "Traceback (most recent call last)" in line["exception"]
        assert CANARY in line["exception"]


# <% if cookiecutter.__interface == "html" %>
def test_a_broken_cookie_breaks_nothing(browser: Browser) -> None:
    for cookie in ("garbage", "a.b.c", "é", ".eJw.x.y", "\x00", "e30.x.y" * 400):
        browser.set_cookie(cookie)
        assert browser.get("/").status_code == 200
        assert browser.get("/nothing").status_code == 404
        assert browser.get(SAMPLES).status_code == 302
        assert browser.post(WRITE).status_code == 401


# <% endif %>
# --- What is sent in from outside


def multipart(parts: int) -> bytes:
    part = '--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n'
    return (part * parts + "--x--\r\n").encode()


FORM_TYPE = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=x"
MALFORMED: dict[str, list[dict[str, Any]]] = {
    "body": [
        {"data": b"x", "content_type": "multipart/form-data"},  # without a boundary
        {"data": b'--x\r\nContent-Disposition: form-data; name="a', "content_type": MULTIPART},
        {"data": multipart(51), "content_type": MULTIPART},
        {"data": b"email=%ff%fe&password=\xff", "content_type": FORM_TYPE},
        {"data": b"{", "content_type": "application/json"},
        {"data": b"\xff\xfe{}", "content_type": "application/json; charset=utf-16"},
        {"data": b"x", "content_type": "application/x-nonsense; charset=nonsense"},
        {"data": b"a" * 1_048_577, "content_type": "text/plain"},
    ],
    "header": [
        {"headers": {"Content-Length": "-1"}},
        {"headers": {"Content-Length": CANARY}},
        {"headers": {"X-Long": "a" * 100_000}},
        {"headers": {"Range": "bytes=999999999-"}},
        {"headers": {"If-Modified-Since": "yesterday", "If-None-Match": '"'}},
        {"headers": {"Accept": "a/b;q=z", "Accept-Language": ";;;,"}},
        {"headers": {"Authorization": "Bearer"}},
        {"headers": {"Authorization": "Bearer " + "a." * 50_000}},
        {"headers": {"Authorization": "Basic \xff\xfe"}},
        {"headers": {"Authorization": "Digest a=,b"}},
    ],
    "query": [
        {"query_string": "a=" + "b" * 10_000},
        {"query_string": "next=%ff%00&before=%ff%00&v=%ff"},
    ],
}


@asvs("16.5.3")
@pytest.mark.parametrize("part", MALFORMED)
@slow
def test_a_malformed_request_breaks_nothing(app: Flask, alice: Browser, part: str) -> None:
    for kwargs in MALFORMED[part]:
        for route, response in every_route(app, alice, **kwargs):
            assert response.status_code < 500, (route, kwargs)


@asvs("4.1.4", "13.4.4")
@slow
def test_an_unknown_method_is_refused(app: Flask, alice: Browser) -> None:
    for path in {route.path() for route in routes(app)}:
        # TRACE would send the cookie or the token back, readable for a script (cross-site tracing).
        for method in ("TRACE", "BREW", "PROPFIND", "<SCRIPT>"):
            response = alice.open(method, path, headers={"X-Canary": CANARY})
            assert response.status_code == 405, (method, path)
            assert_tells_nothing(response)


def test_an_unknown_host_is_refused_on_every_route(app: Flask, alice: Browser) -> None:
    for host in ("evil.example", "service.test.evil.example", "sub.service.test"):
        for route, response in every_route(app, alice, base_url=f"https://{host}"):
            assert response.status_code == 400, (host, route)
            assert host not in response.text


ABOVE = f"{PROFILE.rstrip('/')}/../me"


def test_a_malformed_path_is_not_found(browser: Browser) -> None:
    for path in ("/%00", "/%ff", "/" + "a" * 20_000, "/%0d%0aX-Injected:%201", "/{{7*7}}", ABOVE):
        response = browser.get(path)
        assert response.status_code == 404
        assert "X-Injected" not in response.headers
        assert_tells_nothing(response)


# --- The database goes away and comes back


def health(browser: Browser) -> list[int]:
    return [browser.get(path).status_code for path in ("/healthz", "/readyz")]


@asvs("16.5.1", "16.5.2")
@slow
def test_the_service_comes_back_with_the_database(
    make_app: Callable[..., Flask],
    environment: dict[str, str],
    own_database: dict[str, str],
    tmp_path: Path,
) -> None:
    migrate({**environment, **own_database})
    with faults.outage(own_database, tmp_path) as outage:
        app = make_app(**outage.settings)
        visitor, alice = Browser(app), Browser(app).sign_up("alice@example.com")
        path = alice.write()
        dave = VALUES["email"], PASSWORD
        assert visitor.attempt(*dave).status_code == 401

        outage.stop(app)
        for headers in FORMATS.values():
            for route, response in every_route(app, alice, headers=headers):
                assert response.status_code == (200 if route.endpoint == "static" else 503)
                assert_unavailable(response, headers)
            for route, response in every_route(app, visitor, headers=headers):
                if route.method == "GET":  # who is not signed in can still read what is public
                    assert response.status_code in (200, 302, 401, 404, 503)
                    # The page behind a link of a mail has to look for it.
                    asks = route.endpoint in {"health.ready", *OTHER_ANSWERS}
                    assert response.status_code != 503 or asks
            response = visitor.attempt(*dave, headers=headers)
            assert response.status_code == 503
            assert_unavailable(response, headers)
        assert health(visitor) == [200, 503]

        outage.resume()
        assert alice.get(path).status_code == 200  # still signed in
        assert health(visitor) == [200, 200]


def assert_unavailable(response: TestResponse, headers: dict[str, str]) -> None:
    """A 503 in the format that was asked for; anything else is not looked at."""
    if response.status_code == 503 and response.request.path != "/readyz":
        if response.request.method != "HEAD":
            assert_error(response, headers)
        assert response.headers["Retry-After"] == "5"
        assert_tells_nothing(response)


@slow
def test_the_service_comes_up_with_the_first_migration(
    make_app: Callable[..., Flask], environment: dict[str, str], own_database: dict[str, str]
) -> None:
    app = make_app(**own_database)
    visitor = Browser(app)
    assert health(visitor) == [200, 503]
    assert visitor.register("alice@example.com").status_code == 503
    migrate({**environment, **own_database})
    assert health(visitor) == [200, 200]
    assert visitor.sign_up("alice@example.com").is_signed_in()


@asvs("16.3.4", "16.5.1")
@pytest.mark.parametrize("resource", WRITABLE, ids=str)
@slow
def test_a_table_that_is_lost_is_a_503_with_its_cause_in_the_log(
    make_app: Callable[..., Flask],
    environment: dict[str, str],
    own_database: dict[str, str],
    log: Callable[[], list[dict[str, Any]]],
    resource: Resource,
) -> None:
    migrate({**environment, **own_database})
    app = make_app(**own_database)
    alice = Browser(app).sign_up("alice@example.com")
    writer = Writer(app, alice, resource)
    headers = proof(alice)
    with app.app_context(), migration_engine().begin() as connection:
        connection.execute(text(f"DROP TABLE {resource}"))
    log()
    # The write fails after it was found out who asks: the log must not ask the database again.
    response = writer.write(writer.create, writer.fields(writer.create), headers=headers)
    assert response.status_code == 503
    assert_tells_nothing(response)
    (line,) = (entry for entry in log() if "exception" in entry)
    assert line["request_id"] == response.headers["X-Request-ID"]
    assert line["user"] == 1
    assert re.search(faults.NO_TABLE, line["exception"])
    assert HARMLESS not in line["exception"]
    assert alice.is_signed_in()


# --- Start-up


@asvs("13.4.2")
def test_start_up_refuses_debug_mode(
    make_app: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASK_DEBUG", "1")
    with pytest.raises(ConfigurationError) as refused:
        make_app()
    assert refused.value.problems == ["DEBUG is on; unset FLASK_DEBUG and the setting"]


def test_start_up_notices_settings_that_show_exceptions(app: Flask) -> None:
    assert list(check(app)) == []
    for name in ("DEBUG", "TESTING", "PROPAGATE_EXCEPTIONS", "TRAP_BAD_REQUEST_ERRORS"):
        app.config[name] = True
        assert list(check(app)) == [f"{name} is on; unset FLASK_DEBUG and the setting"]
        app.config[name] = False


def test_start_up_notices_missing_handlers(app: Flask) -> None:
    app.error_handler_spec[None].clear()
    assert [line for line in check(app) if "unexpected errors are not handled" in line]
