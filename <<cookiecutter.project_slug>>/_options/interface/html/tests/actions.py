"""Actions of a user on the pages. ``ready_to_...`` loads a form; call the result to send it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from flask import Flask
from werkzeug.test import TestResponse

from app.session_settings import ABSOLUTE_TIMEOUT as ABSOLUTE_TIMEOUT
from app.session_settings import IDLE_TIMEOUT as IDLE_TIMEOUT
from tests.browser import HOME, PROFILE, SIGN_IN, SIGNED_IN, WRITE, Browser, csrf_token, html

Send = Callable[..., TestResponse]

DONE = REMOVED = 302  # the page that comes next
PUBLIC_PATHS = [HOME, "/auth/login"]


def ready(tab: Browser, path: str, fields: dict[str, str], page: str | None = None) -> Send:
    """Load the form on ``path`` now, or on ``page`` any with a token; what is returned sends it."""
    token = csrf_token(tab.get(page or path), "/auth/logout" if page else None)
    return partial(tab.post, path, {**fields, "csrf_token": token})


def ready_to_write(tab: Browser, title: str, body: str) -> Send:
    return ready(tab, WRITE, {"title": title, "body": body})


def ready_to_edit(tab: Browser, path: str, body: str, title: str = "T") -> Send:
    shown = html(tab.get(f"{path}/edit"))
    version = str(shown.css_first("main input[name=version]").attributes["value"])
    return ready(tab, f"{path}/edit", {"title": title, "body": body, "version": version})


def ready_to_remove(tab: Browser, path: str) -> Send:
    return ready(tab, f"{path}/delete", {}, page=path)


def ready_to_post(tab: Browser, path: str) -> Send:
    """Post nothing to a view that has no page."""
    return ready(tab, path, {}, page=PROFILE)


def ready_to_sign_in(tab: Browser, email: str, password: str) -> Send:
    return ready(tab, SIGN_IN, {"email": email, "password": password})


def ready_to_sign_out(tab: Browser) -> Send:
    return ready(tab, "/auth/logout", {}, page=PROFILE)


def revoke_sessions(app: Flask, tab: Browser) -> None:
    """Sign in elsewhere and end that session: this one, then all others."""
    for path in ("", "/account/sessions/revoke-others"):
        assert Browser(app, "198.51.100.8").sign_in(tab.email).status_code == SIGNED_IN
        form = html(tab.get("/account/")).css_first("main form[action$=revoke]")
        done = tab.submit(path or str(form.attributes["action"]), {}, page="/account/")
        assert done.status_code == DONE


def edit(browser: Browser, path: str, body: str) -> TestResponse:
    """Change the text of a sample."""
    return ready_to_edit(browser, path, body)()


def remove(browser: Browser, path: str) -> TestResponse:
    """Delete a sample."""
    return ready_to_remove(browser, path)()


def text_of(browser: Browser, path: str) -> str:
    """The text of a sample as it is stored."""
    return html(browser.get(path)).css_first(".rich").text()


def assert_refused(response: TestResponse, reason: str, body: str) -> None:
    """The page says why, and the form still has the typed text."""
    page = html(response)
    assert reason in page.body.text()
    assert page.css_first("main form textarea").text().strip() == body
