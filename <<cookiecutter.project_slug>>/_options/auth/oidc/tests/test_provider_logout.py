"""Signing out at both: the service tells the provider, and the provider tells the service."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import requests
from flask import Flask
from joserfc import jwt
from joserfc.jwk import ECKey
from sqlalchemy import delete, select
from sqlalchemy.exc import OperationalError

from app.auth import provider_logouts, sessions
from app.auth.models import Session
from app.auth.outbound import Client
from app.auth.provider_tokens import LEEWAY, LOGOUT_EVENT, MAX_AGE
from app.auth.single_use import UsedOnce
from app.database import db
from app.mail.models import Mail
from tests.browser import Browser
from tests.live import wait_until
from tests.marks import asvs, practice, slow
from tests.real_provider import Person, RealProvider, real_provider
from tests.stub import STUB, subject_of

pytestmark = practice("auth.backchannel_views")

PATH = "/auth/backchannel-logout"
EVENTS = {LOGOUT_EVENT: {}}
BY_PROGRAM = {"Sec-Fetch-Site": None, "Origin": None, "Referer": None, "Accept": "*/*"}


@pytest.fixture
def notices() -> Iterator[tuple[str, list[str]]]:
    """Where the provider sends its logout tokens, and those that came."""
    received: list[str] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            assert self.headers["Content-Type"] == "application/x-www-form-urlencoded"
            received.extend(parse_qs(body)["logout_token"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", received
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


@pytest.fixture
def provider(
    tmp_path: Path, notices: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> Iterator[RealProvider]:
    with real_provider(tmp_path, BACKCHANNEL=notices[0]) as provider:
        network = provider.adapter()
        monkeypatch.setattr(Client, "get_adapter", lambda self, url: network)
        yield provider


def sign_out_at_provider(person: Person, url: str) -> requests.Response:
    """Answer the provider's question whether one really wants to."""
    page = person.http.get(url, timeout=10)
    assert page.status_code == 200, page.text
    return person.submit(page, {"logout": "yes"})


@asvs("7.6.1", "14.3.1")
def test_sign_out_ends_both_sessions(
    app: Flask, make_app: Callable[..., Flask], provider: RealProvider
) -> None:
    visitor = Browser(make_app(**provider.settings()))
    person = provider.person()
    assert visitor.get(person.authorize(visitor.start())).status_code == 302
    # While signed in at the provider, no password is asked for: the form is not even shown.
    again = person.http.get(visitor.start(), allow_redirects=False, timeout=10)
    assert again.headers["Location"].startswith("https://service.test/auth/callback?")

    response = visitor.sign_out()
    target = response.headers["Location"]
    assert target.startswith(f"{provider.issuer}/session/end?")
    assert "id_token" not in target
    assert response.headers["Clear-Site-Data"] == '"cache", "cookies", "storage"'
    assert not visitor.is_signed_in()
    back = sign_out_at_provider(person, target)
    assert back.headers["Location"] == "https://service.test/"
    page = person.http.get(visitor.start(), timeout=10)
    assert 'name="login"' in page.text


@asvs("7.6.1")
@slow
def test_a_logout_token_of_the_provider_ends_the_session(
    app: Flask,
    make_app: Callable[..., Flask],
    provider: RealProvider,
    notices: tuple[str, list[str]],
) -> None:
    service = make_app(**provider.settings())
    here, there, other = (Browser(service, f"192.0.2.{n}") for n in (1, 2, 3))
    persons = [provider.person() for _ in range(3)]
    for browser, person, login in zip(
        (here, there, other), persons, ("alice", "alice", "bob"), strict=True
    ):
        assert browser.get(person.authorize(browser.start(), login)).status_code == 302
    sign_out_at_provider(persons[0], f"{provider.issuer}/session/end?client_id=service")
    wait_until(lambda: notices[1])
    (token,) = notices[1]
    machine = Browser(service, "192.0.2.200")
    assert machine.post(PATH, {"logout_token": token}, headers=BY_PROGRAM).status_code == 200
    assert not here.is_signed_in()  # the session at the provider that ended
    assert there.is_signed_in()  # another one of the same person
    assert other.is_signed_in()
    # The same token once more is refused, and ends nothing.
    assert machine.post(PATH, {"logout_token": token}, headers=BY_PROGRAM).status_code == 400
    assert there.is_signed_in()


# --- What a logout token must be


@pytest.fixture
def alice(app: Flask) -> Browser:
    """Somebody who is signed in, in a session that the provider calls "s1"."""
    browser = Browser(app)
    browser.email = "alice@example.com"
    assert (
        browser.get(STUB.authorize(browser.start(), "alice@example.com", sid="s1")).status_code
        == 302
    )
    return browser


SUBJECT = subject_of("alice@example.com")
USUAL = {"sub": SUBJECT, "sid": "s1", "events": EVENTS, "jti": "1"}


def send(app: Flask, token: object, **kwargs: Any) -> int:
    machine = Browser(app, "192.0.2.200")
    data = {"logout_token": token} if token is not None else {}
    return machine.post(PATH, data, headers=BY_PROGRAM, **kwargs).status_code


@asvs("7.6.1")
@pytest.mark.parametrize("names", [{"sub": SUBJECT}, {"sid": "s1"}, {"sub": SUBJECT, "sid": "s1"}])
def test_a_session_is_named_by_subject_or_sid(
    app: Flask, alice: Browser, bob: Browser, names: dict[str, str]
) -> None:
    assert send(app, STUB.sign(**names, events=EVENTS, jti="1")) == 200
    assert not alice.is_signed_in()
    assert bob.is_signed_in()


@asvs("6.3.7")
@pytest.mark.parametrize(
    ("names", "mail_count"),
    [({"sub": SUBJECT}, 1), ({"sid": "s1"}, 0), ({"sub": SUBJECT, "sid": "s1"}, 0)],
)
def test_the_owner_gets_a_mail_when_the_provider_ends_all_sessions(
    app: Flask, alice: Browser, names: dict[str, str], mail_count: int
) -> None:
    """With the id of a session, the owner has signed out at the provider: no mail for that."""
    for jti in ("1", "2"):  # the second finds no session any more
        assert send(app, STUB.sign(**names, events=EVENTS, jti=jti)) == 200
    with app.app_context():
        kinds = db.session.scalars(select(Mail.kind)).all()
    assert kinds == ["provider_signed_out"] * mail_count


@pytest.mark.parametrize(
    "names",
    [
        {"sub": "another"},
        {"sid": "another"},
        {"sub": "another", "sid": "s1"},
        {"sub": SUBJECT, "sid": "another"},
        {"sub": "%"},
    ],
)
def test_a_logout_token_keeps_other_sessions(
    app: Flask, alice: Browser, names: dict[str, str]
) -> None:
    assert send(app, STUB.sign(**names, events=EVENTS, jti="1")) == 200
    assert alice.is_signed_in()


NOW = int(time.time())
BAD: dict[str, dict[str, Any]] = {
    "another issuer": {"iss": "https://evil.example"},
    "another audience": {"aud": "other"},
    "expired": {"exp": NOW - 60},
    "never expires": {"exp": None},
    "made for something else": {"typ": "at+jwt"},
    "made for something else, in full": {"typ": "application/secevent+jwt"},
    "old": {"iat": NOW - 400},
    "an ID token": {"events": None},
    "another event": {"events": {"http://schemas.openid.net/event/other": {}}},
    "an event that is no object": {"events": {LOGOUT_EVENT: True}},
    "events that are a list": {"events": [LOGOUT_EVENT]},
    "with a nonce": {"nonce": "x"},
    "without an id": {"jti": None},
    "with an empty id": {"jti": ""},
    "an id that is no text": {"jti": 7},
    "names nobody": {"sub": None, "sid": None},
    "a list of subjects": {"sub": [SUBJECT]},
    "a subject with NUL": {"sub": "a\0"},
}


@asvs("9.2.1", "9.2.2", "9.2.3", "10.5.5")
@pytest.mark.parametrize("claims", BAD.values(), ids=BAD)
def test_a_wrong_logout_token_ends_nothing(
    app: Flask, alice: Browser, claims: dict[str, Any]
) -> None:
    assert send(app, STUB.sign(**USUAL | claims)) == 400
    assert alice.is_signed_in()


@pytest.mark.parametrize("typ", [None, "JWT", "logout+jwt", "application/LOGOUT+JWT"])
def test_a_logout_token_may_have_a_type(app: Flask, alice: Browser, typ: str | None) -> None:
    assert send(app, STUB.sign(typ, **USUAL)) == 200
    assert not alice.is_signed_in()


# --- The token comes again


@asvs("7.6.1", "9.2.1")
def test_a_logout_token_that_is_sent_again_ends_no_new_session(
    app: Flask, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody has seen it, in a log or on the way, and signs Alice out whenever she signs in."""
    monkeypatch.setattr(provider_logouts, "CLOCKS", timedelta(0))  # she does so at once
    token = STUB.sign(**USUAL)
    assert send(app, token) == 200
    assert not alice.is_signed_in()
    assert alice.get(STUB.authorize(alice.start(), alice.email, sid="s1")).status_code == 302
    assert send(app, token) == 400
    assert alice.is_signed_in()
    # Another one of the same provider still ends it.
    assert send(app, STUB.sign(**USUAL | {"jti": "2"})) == 200
    assert not alice.is_signed_in()


def test_a_logout_that_failed_can_be_sent_again(
    app: Flask, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its id is used up together with the end of the sessions, or not at all."""
    token = STUB.sign(**USUAL)
    with monkeypatch.context() as patch:
        lost = OperationalError("DELETE", None, Exception("the database went away"))

        def fail(session: Session) -> None:
            raise lost

        patch.setattr(sessions, "end", fail)
        assert send(app, token) == 503
    assert alice.is_signed_in()
    assert send(app, token) == 200
    assert not alice.is_signed_in()


def test_the_token_id_is_stored_until_the_token_expires(app: Flask, alice: Browser) -> None:
    ahead = int(time.time()) + LEEWAY - 2  # on the clock of the provider
    with app.app_context():
        db.session.execute(delete(UsedOnce))  # what Alice's sign-in has left
        db.session.commit()
    assert send(app, STUB.sign(**USUAL, iat=ahead, exp=ahead + 10**6)) == 200
    with app.app_context():
        until = db.session.scalars(select(UsedOnce.expires_at)).one()
        assert until.timestamp() > ahead + MAX_AGE + LEEWAY


@pytest.mark.parametrize("jti", ["x" * 10_000, "\0", "' OR 1=1 --"])
def test_a_logout_token_id_can_be_any_text(app: Flask, alice: Browser, jti: str) -> None:
    token = STUB.sign(**USUAL | {"jti": jti})
    assert [send(app, token), send(app, token)] == [200, 400]


@asvs("9.1.1")
def test_a_forged_logout_token_ends_nothing(app: Flask, alice: Browser) -> None:
    key = ECKey.generate_key("P-256", {"kid": STUB.key.kid})
    known = {"iss": "https://id.service.test", "aud": "service"}
    claims = USUAL | known | {"iat": NOW, "exp": NOW + 60}
    forged = jwt.encode({"alg": "ES256", "kid": STUB.key.kid}, claims, key)
    for token in (forged, "", "x", "a.b.c", "a" * 50_000, None):
        assert send(app, token) == 400
    assert send(app, None, query_string={"logout_token": STUB.sign(**USUAL)}) == 400
    assert alice.is_signed_in()


@asvs("3.5.1")
def test_another_site_cannot_send_a_logout_token(app: Flask, alice: Browser) -> None:
    """Another site's page is stopped as everywhere, whatever token it has."""
    token = STUB.sign(**USUAL)
    foreign = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    assert alice.post(PATH, {"logout_token": token}, headers=foreign).status_code == 403
    assert alice.is_signed_in()


def test_sessions_of_an_emergency_account_are_not_the_providers(app: Flask) -> None:
    operator = Browser(app).with_password("op@example.com")
    assert send(app, STUB.sign(sub="op@example.com", events=EVENTS, jti="1")) == 200
    assert operator.is_signed_in()


def test_the_session_id_of_the_provider_is_stored(app: Flask, alice: Browser) -> None:
    with app.app_context():
        assert db.session.scalars(select(Session)).one().provider_sid == "s1"


def test_sign_out_works_without_an_end_session_endpoint(
    app: Flask, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Google has none."""
    metadata = dict(app.extensions["oidc"].metadata())
    del metadata["end_session_endpoint"]
    monkeypatch.setattr(app.extensions["oidc"], "metadata", lambda: metadata)
    assert alice.sign_out().headers["Location"] == "/"
    assert not alice.is_signed_in()
