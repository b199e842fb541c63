"""A client of the API that needs nothing but Python: sign-up, sign-in, refresh, retry.

    python3 examples/client.py https://service.example.com you@example.com register

Without ``register`` the account is there already; ``forgot`` sets a new password. It asks for the
password, for the code that the service mails, and for one of the authenticator app if the account
has a second factor; then it shows the account and signs out.
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
BY_MAIL = {"register": "confirm", "forgot": "reset"}  # what sends a mail, and what takes its code


class ApiError(Exception):
    """The service refused; ``problem`` is its answer (RFC 9457)."""

    def __init__(self, problem: dict[str, Any]) -> None:
        reasons = (field["detail"] for field in problem.get("errors", ()))
        super().__init__(" ".join((problem.get("detail", "The service refused."), *reasons)))
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
        self.access_token = self.refresh_token = self.device_token = ""
        self.refreshing = threading.Lock()

    def sign_in(self, email: str, password: str, ask: Callable[[], str] | None = None) -> None:
        """Get the first pair of tokens. Keep them in memory, or in the keychain of the system.

        :param ask: returns a code of the authenticator app, or a recovery code.
        """
        body = {"email": email, "password": password}
        try:
            self._keep(self._with_device("/auth/token", body))
        except ApiError as error:
            if ask is None or error.problem.get("code") != "second_factor_required":
                raise
            body = {"ticket": error.problem["ticket"], "code": ask()}
            self._keep(self._with_device("/auth/second-factor", body))

    def prove(self, proof: dict[str, str]) -> None:
        """Prove once more who the user is: by a ``code``, or the ``password`` if there is none.

        What could cost the account asks for it: the error has ``"stale": True`` then.
        """
        self._keep(self.request("POST", "/me/step-up", proof))

    def set_password(self, path: str, code: str, password: str) -> None:
        """Open the account, or set a forgotten password, by the code of a mail."""
        self._with_device(path, {"token": code, "password": password})

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request; an access token that has expired is replaced, and it is sent again.

        :raises ApiError: when the service refuses. With status 401, sign in again.
        """
        used = self.access_token
        try:
            return self._patiently(method, path, body)
        except ApiError as error:
            if error.status != 401 or error.problem["stale"]:
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

    def _with_device(self, path: str, body: dict[str, str]) -> Any:
        """Send which device this is. An app keeps the token, for the account, when it ends.

        Without it, the user gets a mail about a new device at each sign-in.
        """
        known = {"device_token": self.device_token} if self.device_token else {}
        answer = self._once("POST", path, body | known)
        self.device_token = (answer or {}).get("device_token") or self.device_token
        return answer

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
    # RFC 9470: the token is valid, and a proof of who the user is has become too old.
    asked = error.headers.get("WWW-Authenticate", "")
    known["stale"] = "insufficient_user_authentication" in asked
    try:
        return {"status": error.code, **json.loads(error.read()), **known}
    except (ValueError, TypeError):  # not from the service: a proxy on the way
        return {"status": error.code, "detail": error.reason, **known}


def by_mail(client: Client, first: str, email: str) -> str:
    """Set a password, which is returned, by the code of a mail that the service sends."""
    client.request("POST", f"/auth/{first}", {"email": email})
    code = getpass.getpass("Code of the mail: ").strip()
    password = getpass.getpass("New password: ")
    client.set_password(f"/auth/{BY_MAIL[first]}", code, password)
    return password


def main() -> None:
    """What the first lines of this file say."""
    parser = argparse.ArgumentParser(description="Sign in to the API, show the account, sign out.")
    parser.add_argument("url", help="of the service, without /api/v1")
    parser.add_argument("email")
    first = "open the account, or set a new password, by the code of a mail"
    parser.add_argument("first", nargs="?", choices=BY_MAIL, help=first)
    given = parser.parse_args()
    try:
        client = Client(given.url)
        password = by_mail(client, given.first, given.email) if given.first else getpass.getpass()
        client.sign_in(given.email, password, lambda: getpass.getpass("Code of the app: ").strip())
        account = client.request("GET", "/me")
        print(f"{account['created_at']}  {account['email']}")
        client.sign_out()
    except (ApiError, ValueError) as error:
        sys.exit(f"client.py: {error}")


if __name__ == "__main__":
    main()
