"""The answers of the pages, for the tests that pages and API share."""

from __future__ import annotations

from collections.abc import Iterable
from html import unescape
from typing import Any

from werkzeug.test import TestResponse

from tests.browser import Browser, html
from tests.resources import Resource
from tests.security.attacks import dangers, skeleton
from tests.security.problems import assert_problem


def assert_challenged(response: TestResponse, method: str) -> None:
    """The answer to an anonymous user: sign in first."""
    if method in ("GET", "HEAD"):
        assert response.status_code == 302
        assert response.headers["Location"].startswith("/auth/login?next=")
    else:
        assert response.status_code == 401


def without_request_id(response: TestResponse) -> str:
    """The answer, without the parts that are different each time."""
    page = html(response)
    for different in page.css("code, input[name=csrf_token]"):
        different.decompose()
    return str(page.html)


def text_of(response: TestResponse) -> str:
    """What a user reads on the page."""
    return html(response).body.text()


def assert_error(response: TestResponse, headers: dict[str, str]) -> None:
    """An error as a page, or as JSON where these headers ask for it."""
    if headers.get("Accept") == "application/json":
        assert_problem(response)
        assert "errors" not in response.get_json()
        return
    assert response.content_type == "text/html; charset=utf-8"
    page = html(response)
    assert page.css_first("main .status").text() == f"Error {response.status_code}"
    assert page.css_first("main code").text() == response.headers["X-Request-ID"]


def outline(response: TestResponse) -> object:
    """The elements of the page: text changes none of them."""
    return skeleton(html(response))


def content(response: TestResponse) -> str:
    """The source of the page from its content on."""
    return response.text.split("<main")[1]


def form_of(response: TestResponse, names: Iterable[str]) -> dict[str, str]:
    """The values of these fields, if the page has a form with them."""
    found = {name: html(response).css_first(f"main form [name={name}]") for name in names}
    shown = {name: it for name, it in found.items() if it}
    return {name: str(it.attributes.get("value", it.text())) for name, it in shown.items()}


def shows_source(response: TestResponse, resource: Resource) -> bool:
    """Whether Markdown is shown as text: in a form, for editing."""
    return bool(form_of(response, resource.rich))


def shown_for_editing(user: Browser, path: str, names: Iterable[str]) -> dict[str, Any]:
    """The values of these fields in the form at this path."""
    return form_of(user.get(path), names)


def assert_harmless(response: TestResponse, resource: Resource) -> None:
    """The page executes no stored text, and no typed text that was refused."""
    assert dangers(html(response)) == []


def assert_text_is_kept(response: TestResponse, resource: Resource, texts: dict[str, str]) -> None:
    """A form has these texts as they were typed, another page as they are read."""
    if response.status_code == 302:
        return
    fields = form_of(response, texts)
    for name, text in texts.items():
        shown = fields.get(name) or text_of(response)
        is_read = name in resource.rich and name not in fields
        expected = unescape(text) if is_read else text
        assert "".join(expected.split()) in "".join(shown.split()), name


def assert_reflects_nothing(response: TestResponse) -> None:
    """The page and its headers repeat no dangerous part of the request."""
    if response.mimetype == "text/html":
        assert dangers(html(response)) == []
    for name, value in response.headers:
        assert "alert(1)" not in value or name == "Location"
        assert not value.lower().startswith(("javascript:", "//", "https://evil"))


def assert_refused(response: TestResponse, name: str) -> None:
    """The form comes back with an error at this field."""
    assert response.status_code == 422
    assert html(response).css_first(f"[name={name}][aria-invalid=true]")


def assert_conflict(response: TestResponse, texts: dict[str, str], version: str) -> None:
    """The form still has what was typed. Saving it again replaces the stored version."""
    shown = form_of(response, [*texts, "version"])
    assert {name: text.strip() for name, text in shown.items()} == texts | {"version": version}
