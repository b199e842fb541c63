"""The addresses and accounts with which schemathesis sends requests to the service.

The rate limits stay on. So each request comes from another address of this machine, and an account
sends only a few requests. ``tests/live/test_api.py`` passes URL and accounts in the environment.
"""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

import requests
import schemathesis
from requests.adapters import HTTPAdapter

DOMAIN, BASE = os.environ["DOMAIN"], os.environ["BASE"]
REQUESTS_PER_ACCOUNT = int(os.environ["REQUESTS_PER_ACCOUNT"])
ENDS_THE_SIGN_IN = {
    "POST /api/v1/auth/logout",
    "PUT /api/v1/me/password",
    "POST /api/v1/me/delete",
}
numbers = itertools.count()


class FromAnotherAddress(HTTPAdapter):
    """Connects from 127.77.x.y, asks for the service by its name and trusts its authority."""

    def __init__(self) -> None:
        number = next(numbers)
        self.source = f"127.77.{number // 250 % 250}.{number % 250 + 1}"
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        kwargs |= {"source_address": (self.source, 0)}
        kwargs |= {"server_hostname": DOMAIN, "assert_hostname": DOMAIN}
        super().init_poolmanager(*args, **kwargs)

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:  # type: ignore[override]
        request.headers["Host"] = DOMAIN
        return super().send(request, **kwargs | {"verify": os.environ["CA"]})


requests.Session.get_adapter = lambda *_, **__: FromAnotherAddress()  # type: ignore[method-assign, assignment]


tokens = iter(Path(os.environ["TOKENS"]).read_text("utf-8").split())


@schemathesis.auth(refresh_interval=None)
class Accounts:
    """A signed-in user, and another one after some requests."""

    left = 0
    token = ""

    def get(self, case: schemathesis.Case, context: object) -> str:
        if case.operation.label in ENDS_THE_SIGN_IN:
            return next(tokens)
        if self.left == 0:
            self.token, self.left = next(tokens), REQUESTS_PER_ACCOUNT
        self.left -= 1
        return self.token

    def set(self, case: schemathesis.Case, data: str, context: object) -> None:
        case.headers["Authorization"] = f"Bearer {data}"
