"""Visitors of a running service, for its pages or its API; both verify its certificate.

They sign up with the link or the code that the service mails.
"""

from __future__ import annotations

import json
import re
import socket
import ssl
import time
from collections.abc import Callable
from http.client import HTTPSConnection
from urllib.parse import urlencode

PASSWORD = "four or five unrelated words"
# A mail has, on a separate line, the link to a page or the code.
TOKEN = re.compile(r"^  (?:https://\S+\?token=)?([\w-]{43})\r?$", re.MULTILINE)
MAIL_TIMEOUT = 60  # seconds until a mail arrives
# The start of a command for a machine or a container without curl: it prints the body of the URL
# that follows. It verifies no certificate; the other tests of a deployment do.
READ_URL = [
    *("python3", "-c"),
    "import ssl, sys; from urllib.request import urlopen;"
    "tls = ssl.create_default_context();"
    "tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE;"
    "print(urlopen(sys.argv[1], timeout=30, context=tls).read().decode())",
]

Mails = Callable[[str], list[str]]


def no_mails(address: str) -> list[str]:
    """The mails of a visitor who needs none: each call is an error of the test."""
    raise AssertionError(f"give this visitor a function `mails`: it waits for a mail to {address}")


class Visitor:
    """Keeps cookies; opens a new connection for each request.

    :param mails: returns the texts of the mails to an address, the newest last.
    """

    def __init__(
        self,
        domain: str,
        connect: Callable[[], socket.socket],
        certificate: str,
        mails: Mails = no_mails,
    ) -> None:
        self.domain, self.connect, self.mails = domain, connect, mails
        self.tls = ssl.create_default_context(cadata=certificate)
        self.cookies: dict[str, str] = {}
        self.location = ""  # where the last answer leads
        self.headers = {"Origin": f"https://{domain}", "Referer": f"https://{domain}/"}

    def request(self, method: str, path: str, body: str = "", kind: str = "") -> tuple[int, str]:
        """Send a request; return the status and the body of the answer."""
        connection = HTTPSConnection(self.domain, context=self.tls)
        connection.sock = self.tls.wrap_socket(self.connect(), server_hostname=self.domain)
        headers = self.headers | ({"Content-Type": kind} if kind else {})
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={text}" for name, text in self.cookies.items())
        try:
            connection.request(method, path, body or None, headers)
            response = connection.getresponse()
            for cookie in response.headers.get_all("Set-Cookie", []):
                name, _, text = cookie.partition(";")[0].partition("=")
                self.cookies[name] = text
            self.location = response.headers.get("Location", "")
            return response.status, response.read().decode()
        finally:
            connection.close()

    def mailed(self, email: str, ask: Callable[[], object]) -> str:
        """Call ``ask``, wait for its mail to ``email``, return the token or code in it."""
        before = len(self.mails(email))
        ask()
        deadline = time.monotonic() + MAIL_TIMEOUT
        while len(mails := self.mails(email)) <= before:
            assert time.monotonic() < deadline, f"no mail to {email} in {MAIL_TIMEOUT} seconds"
            time.sleep(0.2)
        found = TOKEN.findall(mails[-1])
        assert len(found) == 1, mails[-1]
        return str(found[0])


class Reader(Visitor):
    """Uses the pages."""

    def post(self, page: str, path: str = "", **form: str) -> tuple[int, str]:
        """Fill in the form of ``page`` and send it to ``path``, by default to the page itself."""
        status, text = self.request("GET", page)
        token = re.search(r'name="csrf_token"[^>]* value="([^"]+)"', text)
        assert token, (page, status, text[:1000])
        fields = urlencode({"csrf_token": token[1], **form})
        return self.request("POST", path or page, fields, "application/x-www-form-urlencoded")

    def ask_to_sign_up(self, email: str) -> None:
        assert self.post("/auth/register", email=email)[0] in (302, 303)

    def sign_up(self, email: str) -> None:
        """Open an account by the link in a mail, and sign in."""
        token = self.mailed(email, lambda: self.ask_to_sign_up(email))
        form = {"token": token, "password": PASSWORD, "confirm": PASSWORD}
        status, text = self.post(f"/auth/confirm?token={token}", "/auth/confirm", **form)
        assert (status, self.location) == (302, "/auth/login"), (status, text[:1000])
        assert self.sign_in(email) in (302, 303)

    def sign_in(self, email: str, password: str = PASSWORD) -> int:
        return self.post("/auth/login", email=email, password=password)[0]

    def write(self, title: str) -> None:
        assert self.post("/notes/new", title=title, body="*rich*")[0] in (302, 303)

    def notes(self) -> str:
        return self.request("GET", "/notes/")[1]


class Program(Visitor):
    """Uses the API. It keeps its device token, so that the service mails no notice of sign-in."""

    device_token: str | None = None

    def post(self, path: str, **body: str) -> tuple[int, str]:
        return self.request("POST", f"/api/v1/{path}", json.dumps(body), "application/json")

    def ask_to_sign_up(self, email: str) -> None:
        assert self.post("auth/register", email=email) == (202, "")

    def sign_up(self, email: str) -> None:
        """Open an account by the code in a mail, and sign in."""
        token = self.mailed(email, lambda: self.ask_to_sign_up(email))
        status, text = self.post("auth/confirm", token=token, password=PASSWORD)
        assert status == 200, text
        self.device_token = json.loads(text)["device_token"]
        assert self.sign_in(email) in (200, 201)

    def sign_in(self, email: str, password: str = PASSWORD) -> int:
        """Sign in and keep the access token; return the status."""
        known = {"device_token": self.device_token} if self.device_token else {}
        status, text = self.post("auth/token", email=email, password=password, **known)
        if status in (200, 201):
            self.headers["Authorization"] = f"Bearer {json.loads(text)['access_token']}"
        return status

    def write(self, title: str) -> None:
        status, text = self.post("notes", title=title, body="*rich*")
        assert status == 201, text

    def notes(self) -> str:
        return self.request("GET", "/api/v1/notes")[1]
