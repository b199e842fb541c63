"""What the API answers: for tests that are shared."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from selectolax.lexbor import LexborHTMLParser
from werkzeug.test import TestResponse

from tests.browser import Browser
from tests.resources import Resource
from tests.security.attacks import dangers
from tests.security.problems import assert_problem


def assert_challenged(response: TestResponse, method: str) -> None:
    """The answer to an anonymous user: sign in first."""
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("Bearer ")


def without_request_id(response: TestResponse) -> str:
    """The answer, without the parts that are different each time."""
    return re.sub(r"[0-9a-f]{32}", "", response.text)


def text_of(response: TestResponse) -> str:
    """What a client reads."""
    return str(response.text)


def assert_error(response: TestResponse, headers: dict[str, str]) -> None:
    """An error as JSON, whatever these headers ask for."""
    assert_problem(response)
    assert ("errors" in response.get_json()) is (response.status_code == 422)


def outline(response: TestResponse) -> object:
    """The names of the answer: text changes none of them."""
    return sorted(response.json)


def content(response: TestResponse) -> str:
    """The whole answer."""
    return str(response.text)


def shows_source(response: TestResponse, resource: Resource) -> bool:
    """Whether Markdown is shown as text: always, and what a client makes of it is looked at."""
    return True


def shown_for_editing(user: Browser, path: str, names: Iterable[str]) -> dict[str, Any]:
    """The values of these fields in the answer at this path."""
    found = user.get(path).json
    return {name: found[name] for name in names}


def rich_texts(answer: Any, resource: Resource) -> Iterator[str]:
    """All HTML of this resource in an answer, however deep."""
    if isinstance(answer, list):
        for it in answer:
            yield from rich_texts(it, resource)
    for name, value in answer.items() if isinstance(answer, dict) else ():
        is_html = name.endswith("_html") and name.removesuffix("_html") in resource.rich
        yield from [value] if is_html else rich_texts(value, resource)


def assert_harmless(response: TestResponse, resource: Resource) -> None:
    """HTML is harmless in a page of a client, and what is refused is not repeated."""
    if response.status_code == 422:
        assert "alert(1)" not in response.text
    for text in rich_texts(response.json, resource):
        assert dangers(LexborHTMLParser(f"<!doctype html><html><body>{text}</body>")) == []


def assert_text_is_kept(response: TestResponse, resource: Resource, texts: dict[str, str]) -> None:
    """Text stays what it is: JSON has no markup."""
    for name, text in texts.items():
        assert response.json[name].split() == text.replace("\u00a0", " ").split()


def assert_reflects_nothing(response: TestResponse) -> None:
    """No browser takes the answer for a page, and its headers hold nothing of what was sent."""
    if response.data:  # the last is security.txt
        assert response.mimetype in ("application/json", "application/problem+json", "text/plain")
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response.headers["Content-Security-Policy"]
    for _, value in response.headers:
        assert "alert(1)" not in value


def assert_refused(response: TestResponse, name: str) -> None:
    """The answer says that this field is wrong, and no other."""
    assert response.status_code == 422
    assert [error["pointer"] for error in response.json["errors"]] == [f"#/{name}"]


def assert_conflict(response: TestResponse, texts: dict[str, str], version: str) -> None:
    """The app still has what it sent; it reads the other version when it needs that."""
    assert response.content_type == "application/problem+json"
