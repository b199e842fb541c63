"""Error pages: they keep the navigation and the text, say what to do next, and need nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, abort
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import HTTPException, default_exceptions

from app.auth import sessions
from tests.browser import (
    HOME,
    PROFILE,
    SAMPLES,
    WRITE,
    Browser,
    after_sign_in,
    csrf_token,
    html,
)
from tests.marks import asvs, practice, slow
from tests.security.answers import without_request_id
from tests.statements import recorded

pytestmark = practice("errors")

MISSING = f"{SAMPLES}{'x' * 22}"
BODY = "\na text of more than eighty characters, which somebody took an hour to write\n<b>&amp;"
TYPED = {"title": 'A "title" <script>', "body": BODY}
SENTENCES = {it.description for it in default_exceptions.values()} - {HTTPException.description}


def links(page: Any) -> set[str]:
    """Where the navigation of the page leads."""
    found = (it.attributes.get("href") for it in html(page).css("header nav a"))
    return {str(path) for path in found}


def text_of(page: Any) -> str:
    return " ".join(html(page).css_first("main").text().split())


def fail(app: Flask, error: Exception) -> None:
    """Let every view that writes fail like this."""

    def view(*args: object, **kwargs: object) -> None:
        raise error

    app.view_functions["samples.create"] = view


def test_a_page_that_is_not_there_keeps_the_navigation(
    app: Flask, alice: Browser, browser: Browser
) -> None:
    shown = links(alice.get(HOME))
    assert {after_sign_in(app), PROFILE} <= shown
    foreign, nothing = alice.get(MISSING), alice.get("/nothing")
    assert foreign.status_code == nothing.status_code == 404
    assert links(foreign) == shown
    assert html(foreign).css_first('form[action="/auth/logout"]')
    assert links(nothing) >= {after_sign_in(app), PROFILE}, "nobody asks who reads it"
    assert links(browser.get("/nothing")) == links(nothing)
    assert links(browser.open("PATCH", "/auth/login")) == links(nothing)


@asvs("16.5.1", "16.5.2")
def test_the_page_of_a_server_error_is_the_same_for_all_users(
    app: Flask, alice: Browser, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page of a signed-in user in the hands of another would be a leak; the database is why."""

    def broken(value: str) -> None:
        raise OperationalError("SELECT", {}, Exception("gone"))

    view = app.view_functions["home"]
    app.view_functions["home"] = lambda: 1 / 0  # type: ignore[return-value, assignment]
    app.view_functions["home"].is_public = True  # type: ignore[attr-defined]
    pages = [alice.get(HOME), browser.get(HOME)]
    app.view_functions["home"] = view
    monkeypatch.setattr(sessions, "find", broken)
    with recorded(app) as statements:
        pages.append(alice.get(SAMPLES))
    assert [page.status_code for page in pages] == [500, 500, 503]
    assert statements == []
    for page in pages:
        assert links(page) >= {after_sign_in(app), PROFILE}
        assert not html(page).css("form, [name=csrf_token]")
        assert alice.email not in page.text
        assert "Set-Cookie" not in page.headers
    assert without_request_id(pages[0]) == without_request_id(pages[1])
    assert "try again" in text_of(pages[0]).lower()
    assert "reload this page" in text_of(pages[2])


def test_a_refused_host_name_has_a_page_without_addresses(app: Flask) -> None:
    page = app.test_client().get("/", base_url="https://evil.example")
    assert page.status_code == 400
    assert links(page) == set()
    assert html(page).css_first("main a").attributes["href"] == "/"


@pytest.mark.parametrize(
    ("status", "next_step"),
    [
        (400, "reload the page"),
        (401, "Sign in"),
        (403, "choose another page"),
        (404, "Check the address"),
        (405, "Go back"),
        (413, "send less"),
        (429, "Nothing was stored."),
        (500, "Try again"),
        (503, "reload this page"),
    ],
)
def test_every_error_page_says_in_plain_text_what_to_do(
    app: Flask, browser: Browser, status: int, next_step: str
) -> None:
    """Werkzeug's texts speak of servers, of URLs, and of what a browser may not understand."""
    view = app.view_functions["home"]

    def refuse() -> None:
        abort(status)

    refuse.is_public = True  # type: ignore[attr-defined]
    app.view_functions["home"] = refuse  # type: ignore[assignment]
    page = browser.get(HOME)
    app.view_functions["home"] = view
    assert page.status_code == status
    text = text_of(page)
    if status not in (429, 500, 503):  # the service has its own exceptions for these
        assert [it for it in SENTENCES if it and " ".join(it.split()) in text] == []
    heading = html(page).css_first("h1").text()
    assert next_step in text.partition(heading)[2]
    assert heading not in {code.__name__ for code in default_exceptions.values()}
    assert html(page).css_first("title").text().startswith(heading)


def kept(page: Any) -> dict[str, str]:
    """The form of the page, as a browser sends it."""
    form = html(page).css_first("main form")
    assert form.attributes["method"] == "post"
    assert "action" not in form.attributes, "to the same address"
    texts = {str(it.attributes["name"]): it.text() for it in form.css("textarea")}
    return texts | {
        str(it.attributes["name"]): str(it.attributes["value"]) for it in form.css("input")
    }


@pytest.mark.usefixtures("own_app")
@pytest.mark.parametrize(
    ("status", "cause"),
    [
        (500, lambda app: fail(app, ZeroDivisionError())),
        (503, lambda app: fail(app, OperationalError("INSERT", {}, Exception("gone")))),
    ],
)
def test_a_text_survives_a_failure(
    app: Flask, alice: Browser, status: int, cause: Callable[[Flask], None]
) -> None:
    token = csrf_token(alice.get(WRITE))
    view = app.view_functions["samples.create"]
    cause(app)
    refused = alice.post(WRITE, TYPED | {"csrf_token": token})
    assert refused.status_code == status
    assert "Your text is still here." in text_of(refused)
    again = kept(refused)
    assert {name: again[name] for name in TYPED} == TYPED
    app.view_functions["samples.create"] = view
    assert alice.post(WRITE, again).status_code == 302
    assert 'A "title" &lt;script&gt;' in alice.get(SAMPLES).text.replace("&#34;", '"')


@slow
def test_a_text_survives_a_limit(app: Flask, alice: Browser) -> None:
    token = csrf_token(alice.get(WRITE))
    for _ in range(60):
        alice.post(WRITE, {"title": "", "csrf_token": token})
    refused = alice.post(WRITE, TYPED | {"csrf_token": token})
    assert refused.status_code == 429
    assert re.search(r"Nothing was stored: send it again", text_of(refused))
    again = kept(refused)
    assert {name: again[name] for name in TYPED} == TYPED


def test_no_secret_and_no_form_of_another_site_is_shown_again(
    app: Flask, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(value: str) -> None:
        raise OperationalError("SELECT", {}, Exception("gone"))

    monkeypatch.setattr(sessions, "find", broken)
    secret = alice.post("/auth/login", {"email": "a@b.example", "password": "old secret"})
    assert secret.status_code == 503
    assert "secret" not in secret.text
    assert not html(secret).css("main form")
    alice.own_headers = {**Browser.own_headers, "Sec-Fetch-Site": "cross-site"}
    foreign = alice.post(WRITE, TYPED)
    assert foreign.status_code in (403, 503)
    assert "&lt;script&gt;" not in foreign.text


def test_the_page_of_a_too_large_body_says_how_to_keep_the_text(alice: Browser) -> None:
    page = alice.open("POST", WRITE, data=b"a" * 1_048_577, content_type="text/plain")
    assert page.status_code == 413
    assert "Go back to your form, copy your text" in text_of(page)
