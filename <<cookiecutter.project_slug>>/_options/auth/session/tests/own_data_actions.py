"""Actions of a user on what the service stores about them; see :mod:`tests.actions`."""

from __future__ import annotations

from werkzeug.test import TestResponse

from tests.actions import Send, ready
from tests.browser import PASSWORD, PROFILE, Browser

DELETED = 200  # a page that says so
NOT_PROVEN = 422  # that it is the user


def ready_to_delete(tab: Browser, password: str = PASSWORD) -> Send:
    return ready(tab, "/account/delete", {"current_password": password})


def download(tab: Browser) -> TestResponse:
    return tab.submit("/account/export", {}, page=PROFILE)
