"""Actions of an app on what the service stores about its user; see :mod:`tests.actions`."""

from __future__ import annotations

from functools import partial

from werkzeug.test import TestResponse

from tests.actions import Send
from tests.browser import API, PASSWORD, Browser

DELETED = 204
NOT_PROVEN = 422  # that it is the user


def ready_to_delete(client: Browser, password: str = PASSWORD) -> Send:
    return partial(client.post, f"{API}/me/delete", {"current_password": password})


def download(client: Browser) -> TestResponse:
    return client.get(f"{API}/me/export")
