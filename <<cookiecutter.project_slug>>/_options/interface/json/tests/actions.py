"""Actions of an app. ``ready_to_...`` reads what it needs; call the result to send it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from werkzeug.test import TestResponse

from app.auth.sessions import ABSOLUTE_TIMEOUT as ABSOLUTE_TIMEOUT
from app.auth.sessions import IDLE_TIMEOUT as IDLE_TIMEOUT
from tests.browser import API, SAMPLES, Browser

Send = Callable[..., TestResponse]

DONE, REMOVED = 200, 204
PUBLIC_PATHS = [f"{API}/openapi.json"]


def ready_to_write(client: Browser, title: str, body: str) -> Send:
    return partial(client.post, SAMPLES, {"title": title, "body": body})


def ready_to_edit(client: Browser, path: str, body: str, title: str = "T") -> Send:
    version = client.get(path).json["version"]
    row = {"title": title, "body": body, "version": version}
    return partial(client.send, "PUT", path, row)


def ready_to_remove(client: Browser, path: str) -> Send:
    return partial(client.open, "DELETE", path)


def ready_to_post(client: Browser, path: str) -> Send:
    """Post nothing to a view."""
    return partial(client.open, "POST", path)


def ready_to_sign_in(client: Browser, email: str, password: str) -> Send:
    return partial(client.sign_in, email, password)


def ready_to_sign_out(client: Browser) -> Send:
    return client.sign_out


def edit(browser: Browser, path: str, body: str) -> TestResponse:
    """Change the text of a sample."""
    return ready_to_edit(browser, path, body)()


def remove(browser: Browser, path: str) -> TestResponse:
    """Delete a sample."""
    return ready_to_remove(browser, path)()


def text_of(browser: Browser, path: str) -> str:
    """The text of a sample as it is stored."""
    return str(browser.get(path).json["body"])


def assert_refused(response: TestResponse, reason: str, body: str) -> None:
    """The problem says why; the app still has what it sent."""
    assert response.content_type == "application/problem+json"
    assert reason in response.json["detail"]
