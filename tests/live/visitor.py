"""Visitors of a service that runs: one with pages, one without; both verify its certificate."""

from __future__ import annotations

import json
import re
import socket
import ssl
from collections.abc import Callable
from http.client import HTTPSConnection
from urllib.parse import urlencode

PASSWORD = "four or five unrelated words"


class Visitor:
    """Keeps cookies; every request is a connection of its own."""

    def __init__(self, domain: str, connect: Callable[[], socket.socket], certificate: str) -> None:
        self.domain, self.connect = domain, connect
        self.tls = ssl.create_default_context(cadata=certificate)
        self.cookies: dict[str, str] = {}
        self.location = ""  # where the last answer leads
        self.headers = {"Origin": f"https://{domain}", "Referer": f"https://{domain}/"}

    def request(self, method: str, path: str, body: str = "", kind: str = "") -> tuple[int, str]:
        """Status and body."""
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


class Reader(Visitor):
    """Uses the pages."""

    def post(self, path: str, **form: str) -> int:
        status, page = self.request("GET", path)
        token = re.search(r'name="csrf_token"[^>]* value="([^"]+)"', page)
        assert token, (status, page[:1000])
        fields = urlencode({"csrf_token": token[1], **form})
        return self.request("POST", path, fields, "application/x-www-form-urlencoded")[0]

    def sign_up(self, email: str) -> None:
        form = {"email": email, "password": PASSWORD, "confirm": PASSWORD}
        assert self.post("/auth/register", **form) in (302, 303)

    def write(self, title: str) -> None:
        assert self.post("/notes/new", title=title, body="<em>rich</em>") in (302, 303)

    def notes(self) -> str:
        return self.request("GET", "/notes/")[1]


class Program(Visitor):
    """Uses the API."""

    def post(self, path: str, **body: str) -> tuple[int, str]:
        return self.request("POST", f"/api/v1/{path}", json.dumps(body), "application/json")

    def sign_up(self, email: str) -> None:
        status, text = self.post("auth/register", email=email, password=PASSWORD)
        assert status == 201, text
        self.headers["Authorization"] = f"Bearer {json.loads(text)['access_token']}"

    def write(self, title: str) -> None:
        status, text = self.post("notes", title=title, body="<em>rich</em>")
        assert status == 201, text

    def notes(self) -> str:
        return self.request("GET", "/api/v1/notes")[1]
