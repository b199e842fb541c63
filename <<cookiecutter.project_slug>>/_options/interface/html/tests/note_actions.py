"""What a user does with a note on its pages."""

from __future__ import annotations

from werkzeug.test import TestResponse

from tests.browser import Browser, html

DONE = 302  # the page that comes next


def edit(browser: Browser, path: str, body: str) -> TestResponse:
    """Change the note's text."""
    shown = html(browser.get(f"{path}/edit"))
    version = str(shown.css_first("main input[name=version]").attributes["value"])
    return browser.submit(f"{path}/edit", {"title": "T", "body": body, "version": version})


def remove(browser: Browser, path: str) -> TestResponse:
    """Delete the note."""
    return browser.submit(f"{path}/delete", {}, page=path)


def text_of(browser: Browser, path: str) -> str:
    """The note's text as it is stored."""
    return html(browser.get(path)).css_first(".rich").text()


def assert_refused(response: TestResponse, reason: str, body: str) -> None:
    """The page says why, and what was typed is still in the form."""
    page = html(response)
    assert reason in page.body.text()
    assert page.css_first("main form textarea").text().strip() == body
