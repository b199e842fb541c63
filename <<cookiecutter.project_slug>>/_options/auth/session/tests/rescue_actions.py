"""The ways back to an account; see :mod:`app.auth.rescue_views`."""

from __future__ import annotations

from functools import partial

from werkzeug.test import TestResponse

from tests.actions import Send
from tests.browser import PROFILE, SIGN_IN, Browser

UNLOCK, KEEP = "/auth/unlock", "/auth/keep"
KEEP_BY_SESSION = "/account/second-factors/keep"
RESCUED = 302


def use_link(visitor: Browser, path: str, token: str) -> TestResponse:
    """Press the button behind the link of a mail."""
    # The form of another page: there is none behind a link that has ended.
    return visitor.post(path, {"token": token, "csrf_token": visitor.token(SIGN_IN)})


def ready_to_keep(tab: Browser) -> Send:
    """Be about to press the button of the account page."""
    token = tab.token(PROFILE)
    return partial(tab.post, KEEP_BY_SESSION, {"csrf_token": token})


def says_when(tab: Browser) -> bool:
    """Whether the account page tells that the second factors will end, and has the button."""
    return f'action="{KEEP_BY_SESSION}"' in tab.get(PROFILE).text
