"""A client that sends what a browser sends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import Flask
from selectolax.lexbor import LexborHTMLParser
from werkzeug.test import TestResponse

from app.auth.identity import SESSION_ID
from app.database import db
from app.pages import first_page
from tests.accounts import add_account, start_session
from tests.client import DOMAIN, ORIGIN, Client

PROFILE = "/account/"  # the page about the account
SAMPLES = "/samples/"  # the list of :mod:`tests.sample`
WRITE = "/samples/new"  # the form for a new one


def html(response: TestResponse) -> LexborHTMLParser:
    """The page as a browser parses it."""
    return LexborHTMLParser(response.get_data(as_text=True))


def csrf_token(response: TestResponse, action: str | None = None) -> str:
    """The token in the page's form: the first in <main>, or the one that posts to ``action``."""
    selector = f'form[action="{action}"]' if action else "main form"
    field = html(response).css_first(f"{selector} input[name=csrf_token]")
    assert field is not None, f"no form {action or ''} with a token in the page"
    return str(field.attributes["value"])


def after_sign_in(app: Flask) -> str:
    """The path where users arrive after sign-in."""
    with app.test_request_context(base_url=ORIGIN):
        return first_page()


class Visitor(Client):
    """One browser: a cookie jar, an address, and the headers of a same-origin navigation."""

    sign_in_path = ""  # where a password is taken
    own_headers = {
        "Accept": "text/html,application/xhtml+xml,*/*;q=0.8",
        "Sec-Fetch-Site": "same-origin",
        "Referer": f"{ORIGIN}/",
        "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0",
    }

    def __init__(self, app: Flask, address: str = "198.51.100.7") -> None:
        super().__init__(app, address)
        self.known_token, self.known_cookie = "", ""

    def headers(self, method: str) -> dict[str, str]:
        return super().headers(method) | ({"Origin": ORIGIN} if method == "POST" else {})

    def post(self, path: str, data: Any = None, **kwargs: Any) -> TestResponse:
        """Post as it is: with a token only if ``data`` has one."""
        return self.open("POST", path, data=data, **kwargs)

    def submit(self, path: str, data: dict[str, Any], page: str | None = None) -> TestResponse:
        """Fill in the form on ``page`` (or on ``path``) and send it."""
        shown = self.get(page or path)
        assert shown.status_code == 200, f"{page or path} answers {shown.status}"
        token = csrf_token(shown, path.split("?")[0] if page else None)
        return self.post(path, {**data, "csrf_token": token})

    def token(self, page: str) -> str:
        """A token for any form: the one of ``page``, until there is another cookie."""
        if not self.known_token or self.known_cookie != self.cookie():
            self.known_token = csrf_token(self.get(page))
            self.known_cookie = self.cookie()
        return self.known_token

    def post_form(self, path: str, data: Any = None, **kwargs: Any) -> TestResponse:
        """Send what a form without our token sends."""
        return self.post(path, data, **kwargs)

    def hold_session(self, columns: dict[str, Any], password: str | None) -> None:
        """Be signed in to a new account, without a request; see :mod:`tests.accounts`."""
        with self.app.app_context():
            _, token = start_session(add_account(columns, password), self.address)
            db.session.commit()
            signer = self.app.session_interface.get_signing_serializer(self.app)
        self.set_cookie(signer.dumps({SESSION_ID: token.reveal()}))

    def sign_out(self) -> TestResponse:
        return self.submit("/auth/logout", {}, page=PROFILE)

    def try_to_write(self, title: str, body: str) -> TestResponse:
        return self.submit(WRITE, {"title": title, "body": body})

    def attempt(self, email: str, password: str, **kwargs: Any) -> TestResponse:
        """Try a password, as a program does: the form is fetched once."""
        token = self.token(self.sign_in_path)
        data = {"email": email, "password": password, "csrf_token": token}
        return self.post(self.sign_in_path, data, **kwargs)

    def do_everything(self, email: str, password: str) -> Iterator[int]:
        """Read, write and sign in, whatever is answered; the statuses."""
        forms = {
            SAMPLES: {},
            WRITE: {"title": "T", "body": "B"},
            "/readyz": {},
            self.sign_in_path: {"email": email, "password": password},
        }
        for path, form in forms.items():
            page = self.get(path)
            yield page.status_code
            if form and page.status_code == 200:
                yield self.post(path, form | {"csrf_token": csrf_token(page)}).status_code

    def is_signed_in(self) -> bool:
        return self.get(PROFILE).status_code == 200

    def credential(self) -> str:
        """The credential that a thief would steal: the cookie."""
        return self.cookie()

    def use_credential(self, value: str) -> None:
        self.set_cookie(value)

    def cookie(self) -> str:
        """The value of the session cookie."""
        cookie = self.client.get_cookie("__Host-session", DOMAIN)
        return cookie.value if cookie else ""

    def set_cookie(self, value: str) -> None:
        self.client.set_cookie("__Host-session", value, domain=DOMAIN, secure=True)
