"""Actions of a user on what the service stores about them; see :mod:`tests.actions`."""

from __future__ import annotations

from werkzeug.test import TestResponse

from tests.actions import Send, ready
from tests.browser import PROFILE, Browser

DELETED = 200  # a page that says so
NOT_PROVEN = 302  # that it is the user: the page that asks for it


def ready_to_delete(tab: Browser) -> Send:
    return ready(tab, "/account/delete", {}, page=PROFILE)


def download(tab: Browser) -> TestResponse:
    return tab.submit("/account/export", {}, page=PROFILE)
