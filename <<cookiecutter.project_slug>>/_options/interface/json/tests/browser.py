"""A client that sends what an app sends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Self

from flask import Flask
from werkzeug.test import TestResponse

from app.auth import tokens
from app.database import db
from app.secret import Secret
from tests.accounts import add_account, start_session
from tests.client import DOMAIN, ORIGIN, PASSWORD, Client
from tests.mailbox import newest_token

__all__ = ["DOMAIN", "ORIGIN", "PASSWORD", "Browser"]

PAGES = False
SETTINGS = {"PASSKEY_ORIGINS": ORIGIN}  # of this way to sign in
# What the shared tests ask for by name, because it is different with pages.
API = "/api/v1"
SIGN_IN, SIGN_UP, HOME = f"{API}/auth/token", f"{API}/auth/register", "/.well-known/security.txt"
FORGOT, CONFIRM, RESET = f"{API}/auth/forgot", f"{API}/auth/confirm", f"{API}/auth/reset"
CHANGE_ADDRESS = f"{API}/me/email"
NEW_ADDRESS, UNDO_ADDRESS = f"{API}/auth/email", f"{API}/auth/undo"
PROFILE = f"{API}/me"  # the answer about the account
SAMPLES = WRITE = f"{API}/samples"  # of :mod:`tests.sample`
CREATE_ACCOUNT = "create"
CREATE_OPTIONS: list[str] = []
ACCOUNT_KEY = "email"  # the column that tells accounts apart
FAILED_SIGN_IN = ["authn_login_fail"]  # the log events of a wrong password
ASKED = 202  # a mail follows, or none does
PASSWORD_SET = 204  # by the code of a mail
WRITTEN = 201
SIGNED_UP = SIGNED_IN = CHANGED = 200
NO_LINK = 404  # the code of a mail does not count (any more)
CHALLENGED = 401
FORM_REFUSED = 415  # a form, with or without a token
FORM_TYPE = "application/x-www-form-urlencoded"


def account(name: str) -> dict[str, Any]:
    """The columns of the account that has this name."""
    return {"email": Secret(name)}


class Browser(Client):
    """One app: an address, the tokens it keeps, and the headers that it sends. No cookie jar."""

    own_headers = {"Accept": "application/json", "User-Agent": "App/1.0 (Linux)"}
    use_cookies = False

    def __init__(self, app: Flask, address: str = "198.51.100.7") -> None:
        super().__init__(app, address)
        self.access_token = self.refresh_token = self.device_token = self.ticket = ""

    def headers(self, method: str) -> dict[str, str]:
        signed_in = {"Authorization": f"Bearer {self.access_token}"} if self.access_token else {}
        return super().headers(method) | signed_in

    def send(self, method: str, path: str, body: Any, **kwargs: Any) -> TestResponse:
        """Send ``body`` as JSON."""
        data = {"data": json.dumps(body), "content_type": "application/json"}
        return self.open(method, path, **data | kwargs)

    def post(self, path: str, body: Any = None, **kwargs: Any) -> TestResponse:
        return self.send("POST", path, {} if body is None else body, **kwargs)

    def keep(self, response: TestResponse) -> TestResponse:
        """Keep the tokens of a response that has some."""
        if response.status_code in (SIGNED_IN, WRITTEN) and "access_token" in response.json:
            self.access_token = response.json["access_token"]
            self.refresh_token = response.json["refresh_token"]
        return self.keep_device(response)

    def keep_device(self, response: TestResponse) -> TestResponse:
        """Keep the token of the device, if the response has a new one."""
        if response.status_code == SIGNED_IN:
            self.device_token = response.json.get("device_token") or self.device_token
        return response

    def known(self) -> dict[str, str]:
        """The field that says which device this is."""
        return {"device_token": self.device_token} if self.device_token else {}

    def register(self, email: str, password: str = PASSWORD) -> TestResponse:
        """Ask for an account and open it by the mail's code; the last answer."""
        asked = self.ask_for_mail(SIGN_UP, email)
        if asked.status_code != ASKED:
            return asked
        return self.choose_password(CONFIRM, newest_token(self.app, email), password)

    def ask_for_mail(self, path: str, email: str) -> TestResponse:
        """Ask for a mail with a code."""
        return self.post(path, {"email": email})

    def choose_password(self, path: str, token: str, password: str) -> TestResponse:
        """Set a password by the code of a mail."""
        body = {"token": token, "password": password, **self.known()}
        return self.keep_device(self.post(path, body))

    def sign_up(self, email: str) -> Self:
        assert self.register(email, self.password).status_code == SIGNED_UP
        assert self.sign_in(email, self.password).status_code == SIGNED_IN
        return self

    def signed_in(self, email: str) -> Self:
        """Have an account and the tokens of a session that no request has made."""
        self.email = email
        with self.app.app_context():
            user = add_account(account(email), self.password)
            pair = tokens.pair(*start_session(user, self.address))
            db.session.commit()
        self.access_token, self.refresh_token = pair.access_token, pair.refresh_token
        return self

    def sign_in(self, email: str, password: str = PASSWORD) -> TestResponse:
        self.email, self.password = email, password
        return self.keep(self.post(SIGN_IN, {"email": email, "password": password, **self.known()}))

    def attempt(self, email: str, password: str, **kwargs: Any) -> TestResponse:
        """Try a password."""
        return self.post(SIGN_IN, {"email": email, "password": password}, **kwargs)

    def post_form(self, path: str, data: Any = None, **kwargs: Any) -> TestResponse:
        """Send what a form sends."""
        return self.open("POST", path, data=data, content_type=FORM_TYPE, **kwargs)

    def refresh(self, refresh_token: str | None = None) -> TestResponse:
        """Use the refresh token up."""
        sent = {"refresh_token": refresh_token or self.refresh_token}
        return self.keep(self.post(f"{API}/auth/refresh", sent))

    def sign_out(self) -> TestResponse:
        return self.open("POST", f"{API}/auth/logout")

    def change_password(self, current: str, new: str) -> TestResponse:
        body = {"current_password": current, "new_password": new, **self.known()}
        return self.keep(self.send("PUT", f"{API}/me/password", body))

    def try_to_write(self, title: str, body: str) -> TestResponse:
        return self.post(SAMPLES, {"title": title, "body": body})

    def do_everything(self, email: str, password: str) -> Iterator[int]:
        """Read, write and sign in, whatever is answered; the statuses."""
        yield self.get(SAMPLES).status_code
        yield self.try_to_write("T", "B").status_code
        yield self.get("/readyz").status_code
        yield self.sign_in(email, password).status_code

    def is_signed_in(self) -> bool:
        return self.get(PROFILE).status_code == 200

    def credential(self) -> str:
        """The credential that a thief would steal: the access token."""
        return self.access_token

    def use_credential(self, value: str) -> None:
        self.access_token = value
