"""A client of the API that needs nothing but Python: sign-up, sign-in, refresh, retry.

    python3 examples/client.py https://service.example.com you@example.com [--register | --forgot]

It asks for the password, shows the account and signs out. With an option, it first asks the service
for a mail and sets a password by the code in it: of a new account, or of one that you have.
"""

from __future__ import annotations

import argparse
import getpass
import json
import sys
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

MAX_WAIT = 60  # seconds; a server that asks for more is not waited for
TIMEOUT = 30  # seconds for an answer


class ApiError(Exception):
    """The service refused; ``problem`` is what it says about it (RFC 9457)."""

    def __init__(self, problem: dict[str, Any]) -> None:
        super().__init__(problem.get("detail", "The service refused."))
        self.status = int(problem.get("status", 0))
        self.problem = problem


class NoRedirect(HTTPRedirectHandler):
    """The token would go along, to wherever the answer points."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


class Client:
    """One signed-in user. Threads may share it.

    :param send: opens a request; something else in tests.
    :raises ValueError: for an address without TLS, unless it is this machine's.
    """

    def __init__(self, base_url: str, send: Callable[..., Any] | None = None) -> None:
        parts = urlsplit(base_url)
        if parts.scheme != "https" and parts.hostname not in ("localhost", "127.0.0.1"):
            raise ValueError("Give an address that starts with https://.")
        self.base_url = base_url.rstrip("/")
        self.send = send or build_opener(NoRedirect).open
        self.access_token = self.refresh_token = ""
        self.refreshing = threading.Lock()

    def sign_in(self, email: str, password: str) -> None:
        """Get the first pair of tokens. Keep them in memory, or in the keychain of the system."""
        self._keep(self._once("POST", "/auth/token", {"email": email, "password": password}))

    def ask_for_mail(self, path: str, email: str) -> None:
        """``register`` or ``forgot``: the answer never tells whether there is an account."""
        self._patiently("POST", f"/auth/{path}", {"email": email})

    def set_password(self, path: str, code: str, password: str) -> None:
        """``confirm`` opens the account of a mail's code, ``reset`` sets its new password."""
        self._patiently("POST", f"/auth/{path}", {"token": code, "password": password})

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request; an access token that has expired is replaced, and it is sent again.

        :raises ApiError: when the service refuses. With status 401, sign in again.
        """
        used = self.access_token
        try:
            return self._patiently(method, path, body)
        except ApiError as error:
            if error.status != 401:
                raise
        self._refresh(used)
        return self._patiently(method, path, body)

    def sign_out(self) -> None:
        """End both tokens, here and on the server."""
        self.request("POST", "/auth/logout")
        self.access_token = self.refresh_token = ""

    def _refresh(self, used: str) -> None:
        # One at a time, and not when another thread just did it: a refresh token is good for one
        # use, and a second use ends the sign-in.
        with self.refreshing:
            if self.access_token != used:
                return
            token, self.refresh_token = self.refresh_token, ""
            if not token:
                raise ApiError({"status": 401, "detail": "Please sign in."})
            self._keep(self._once("POST", "/auth/refresh", {"refresh_token": token}))

    def _keep(self, pair: dict[str, Any]) -> None:
        self.access_token, self.refresh_token = pair["access_token"], pair["refresh_token"]

    def _patiently(self, method: str, path: str, body: Any) -> Any:
        """Send it again, once, when the service asks to wait a little."""
        try:
            return self._once(method, path, body)
        except ApiError as error:
            wait = error.problem.get("retry_after")
            if error.status not in (429, 503) or wait is None or wait > MAX_WAIT:
                raise
        time.sleep(wait)
        return self._once(method, path, body)

    def _once(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Accept": "application/json"}
        if self.access_token:
            headers["Authorization"] = f"Bearer {self.access_token}"
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = json.dumps(body).encode()
        request = Request(  # noqa: S310 - the scheme was checked
            f"{self.base_url}/api/v1{path}", data, headers, method=method
        )
        try:
            with self.send(request, timeout=TIMEOUT) as answer:
                content = answer.read()
        except HTTPError as error:
            with error:
                problem = _problem(error)
            raise ApiError(problem) from None
        return json.loads(content) if content else None


def _problem(error: HTTPError) -> dict[str, Any]:
    wait = error.headers.get("Retry-After", "")
    known = {"retry_after": int(wait)} if wait.isdigit() else {}
    try:
        return {"status": error.code, **json.loads(error.read()), **known}
    except (ValueError, TypeError):  # not from the service: a proxy on the way
        return {"status": error.code, "detail": error.reason, **known}


def main() -> None:
    """What the first lines of this file say."""
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=style)
    parser.add_argument("url", help="where the service is, without /api/v1")
    parser.add_argument("email", help="the address of the account")
    mail = parser.add_mutually_exclusive_group()
    mail.add_argument("--register", action="store_true", help="open an account first")
    mail.add_argument("--forgot", action="store_true", help="set a new password first")
    given = parser.parse_args()
    try:
        client = Client(given.url)
        if given.register or given.forgot:
            client.ask_for_mail("register" if given.register else "forgot", given.email)
            code = getpass.getpass("Code of the mail: ").strip()
        password = getpass.getpass()
        if given.register or given.forgot:
            client.set_password("confirm" if given.register else "reset", code, password)
        client.sign_in(given.email, password)
        account = client.request("GET", "/me")
        print(f"{account['created_at']}  {account['email']}")
        client.sign_out()
    except (ApiError, ValueError) as error:
        wrong = [it["detail"] for it in getattr(error, "problem", {}).get("errors", ())]
        sys.exit(" ".join([str(error), *wrong]))


if __name__ == "__main__":
    main()
