"""Actions of an app on what the service stores about its user; see :mod:`tests.actions`."""

from __future__ import annotations

from functools import partial

from werkzeug.test import TestResponse

from tests.actions import Send
from tests.browser import API, Browser

DELETED = 204
NOT_PROVEN = 401  # that it is the user


def ready_to_delete(client: Browser) -> Send:
    return partial(client.open, "POST", f"{API}/me/delete")


def download(client: Browser) -> TestResponse:
    return client.get(f"{API}/me/export")
