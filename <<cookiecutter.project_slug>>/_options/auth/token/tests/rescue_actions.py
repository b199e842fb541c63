"""The ways back to an account; see :mod:`app.auth.rescue_views`."""

from __future__ import annotations

from functools import partial

from werkzeug.test import TestResponse

from tests.actions import Send
from tests.browser import API, PROFILE, Browser

UNLOCK, KEEP = f"{API}/auth/unlock", f"{API}/auth/keep"
KEEP_BY_SESSION = f"{API}/me/second-factors/keep"
RESCUED = 204


def use_link(client: Browser, path: str, token: str) -> TestResponse:
    """Send the code of a mail."""
    return client.post(path, {"token": token})


def ready_to_keep(client: Browser) -> Send:
    return partial(client.post, KEEP_BY_SESSION)


def says_when(client: Browser) -> bool:
    """Whether the profile tells that the second factors will end."""
    return client.get(PROFILE).json["factors_end_at"] is not None
