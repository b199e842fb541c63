"""A client of the service, through one proxy hop, as in production."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Self

from app.secret import REDACTED

if TYPE_CHECKING:
    from flask import Flask
    from werkzeug.test import TestResponse

DOMAIN = "service.test"
ORIGIN = f"https://{DOMAIN}"
PASSWORD = "wool-lantern-orbit-7-thistle"


class Client(ABC):
    """A client that sends requests from one address, with the headers of Nginx and its own."""

    own_headers: dict[str, str]
    use_cookies = True

    def __init__(self, app: Flask, address: str = "198.51.100.7") -> None:
        self.app = app
        self.client = app.test_client(use_cookies=self.use_cookies)
        self.address = address
        self.email = ""
        self.password = PASSWORD

    def headers(self, method: str) -> dict[str, str]:
        """The headers that Nginx and the client add to a request."""
        hop = {"X-Forwarded-For": self.address, "X-Forwarded-Proto": "https"}
        return hop | self.own_headers

    def open(self, method: str, path: str, **kwargs: Any) -> TestResponse:
        """Send a request. ``headers`` are added; a value of None leaves that header out."""
        headers = self.headers(method) | kwargs.pop("headers", {})
        answer = self.client.open(
            path,
            method=method,
            base_url=kwargs.pop("base_url", ORIGIN),
            headers={name: value for name, value in headers.items() if value is not None},
            environ_overrides={"REMOTE_ADDR": ""},  # a unix socket has no peer address
            buffered=True,  # read and close the response, as a server does
            **kwargs,
        )
        assert REDACTED.encode() not in answer.data, "code shows a Secret, and forgot reveal()"
        return answer

    def get(self, path: str, **kwargs: Any) -> TestResponse:
        return self.open("GET", path, **kwargs)

    @abstractmethod
    def sign_up(self, email: str) -> Self:
        """Make an account, and be signed in to it."""

    @abstractmethod
    def signed_in(self, email: str) -> Self:
        """Have an account and a session, both from rows."""

    def signed_in_with_password(self, email: str) -> Self:
        """The same, with an account that has a password: here every account has one."""
        return self.signed_in(email)

    def with_password(self, email: str) -> Self:
        """Sign in with a password."""
        return self.sign_up(email)

    @abstractmethod
    def try_to_write(self, title: str, body: str) -> TestResponse: ...

    def write(self, title: str = "A title", body: str = "A body") -> str:
        """Write a row of :mod:`tests.sample`; return its path."""
        response = self.try_to_write(title, body)
        assert response.status_code in (201, 302), response.text
        return str(response.headers["Location"])
