"""What an app does with a note."""

from __future__ import annotations

from werkzeug.test import TestResponse

from tests.browser import Browser

DONE = 200


def edit(browser: Browser, path: str, body: str) -> TestResponse:
    """Change the note's text."""
    version = browser.get(path).json["version"]
    return browser.send("PUT", path, {"title": "T", "body": body, "version": version})


def remove(browser: Browser, path: str) -> TestResponse:
    """Delete the note."""
    return browser.open("DELETE", path)


def text_of(browser: Browser, path: str) -> str:
    """The note's text as it is stored."""
    return str(browser.get(path).json["body"])


def assert_refused(response: TestResponse, reason: str, body: str) -> None:
    """The problem says why; the app still has what it sent."""
    assert response.content_type == "application/problem+json"
    assert reason in response.json["detail"]
