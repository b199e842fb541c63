"""What the service sends to the provider, and what it keeps and shows of its answers."""

from __future__ import annotations

import json
import logging
import secrets
import time
from base64 import b64decode
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import pytest
from flask import Flask
from requests import PreparedRequest, Response
from sqlalchemy import select

from app.auth import outbound, provider, provider_tokens
from app.auth.models import MAX_SUBJECT, User
from app.database import db
from app.security.redirects import MAX_LENGTH
from tests.browser import Browser
from tests.marks import asvs, practice
from tests.stub import CLIENT_SECRET, ISSUER, METADATA, STUB, answer, subject_of

pytestmark = practice("auth.identity_provider")

ALICE = "alice@example.com"
COOKIE = 4096  # bytes that browsers keep: RFC 6265bis section 5.6


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[PreparedRequest]:
    """The requests to the provider."""
    requests: list[PreparedRequest] = []
    send = STUB.send

    def record(request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        requests.append(request)
        return send(request, *args, **kwargs)

    monkeypatch.setattr(STUB, "send", record)
    return requests


def paths(requests: list[PreparedRequest]) -> list[str]:
    return [urlsplit(str(request.url)).path for request in requests]


# --- What it sends


@asvs("15.3.2")
def test_no_compressed_answer_is_asked_for(
    make_app: Callable[..., Flask], sent: list[PreparedRequest]
) -> None:
    """A few bytes could unpack to gigabytes."""
    Browser(make_app()).sign_up(ALICE)
    assert len({*paths(sent)}) == 3
    assert {request.headers["Accept-Encoding"] for request in sent} == {"identity"}


@pytest.mark.parametrize("client_id", ["service", "a/b", "a:b", "a%2Fb c", "ä"])
def test_every_client_id_reaches_the_provider_as_it_is(client_id: str) -> None:
    """RFC 6749 section 2.3.1: both parts are encoded, so that no character separates them."""
    known = SimpleNamespace(client_id=client_id, client_secret=CLIENT_SECRET)
    _, headers, _ = provider._basic(known, "POST", f"{ISSUER}/token", {}, "")  # type: ignore[arg-type]
    pair = b64decode(headers["Authorization"].removeprefix("Basic ")).decode()
    assert pair == f"{quote(client_id, safe='')}:{quote(CLIENT_SECRET, safe='')}"
    assert [unquote(part) for part in pair.split(":")] == [client_id, CLIENT_SECRET]


# --- What it keeps


@asvs("10.2.1")
def test_the_longest_target_leaves_the_cookie_small_enough(browser: Browser) -> None:
    """A browser drops a longer cookie: a link to us would keep its visitors from signing in."""
    target = f"/{secrets.token_urlsafe(MAX_LENGTH)}"[:MAX_LENGTH]  # nothing to compress
    start = browser.submit(f"/auth/login?next={target}", {})
    (cookie,) = (it for it in start.headers.getlist("Set-Cookie") if "session=" in it)
    assert len(cookie.partition(";")[0]) < COOKIE - MAX_LENGTH
    assert browser.get(STUB.authorize(start.headers["Location"], ALICE)).status_code == 302
    assert browser.is_signed_in()


def test_the_description_of_the_provider_is_read_again(
    make_app: Callable[..., Flask], sent: list[PreparedRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may name other addresses by now; an old one may be somebody else's."""
    app, start = make_app(), time.monotonic()
    asked = []
    for age in (0, provider.KEEP - 5, provider.KEEP + 5):
        monkeypatch.setattr(provider.time, "monotonic", lambda age=age: start + age)
        Browser(app).start()
        asked.append(paths(sent).count("/.well-known/openid-configuration"))
    assert asked == [1, 1, 2]
    assert provider.KEEP == 600


@asvs("15.2.2")
def test_an_answer_byte_by_byte_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for it any more, but it would occupy one of four threads for ever."""
    late, left = outbound.TOTAL + 1, iter(range(1000))

    class Slow:
        """A body of a thousand bytes, of which each takes a second."""

        def read1(self, *_: Any, **__: Any) -> bytes:
            return b"x" if next(left, None) is not None else b""

    clock = iter(range(2000))
    monkeypatch.setattr(outbound.time, "monotonic", lambda: next(clock))
    with pytest.raises(ValueError, match="too long"):
        outbound._read(SimpleNamespace(raw=Slow()), late)  # type: ignore[arg-type]


# --- What it believes


@asvs("6.8.2")
def test_userinfo_does_not_change_what_is_signed(
    make_app: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It adds what the ID token does not say; nobody has signed it."""
    monkeypatch.setitem(METADATA, "userinfo_endpoint", f"{ISSUER}/userinfo")
    send = STUB.send
    said = {"sub": subject_of(ALICE), "email": ALICE, "groups": ["admins"]}

    def reply(request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        if urlsplit(str(request.url)).path == "/userinfo":
            return answer(request, 200, json.dumps(said))
        return send(request, *args, **kwargs)

    monkeypatch.setattr(STUB, "send", reply)
    app = make_app(OIDC_OPERATOR_GROUPS="admins")
    for groups, is_operator in ((["staff"], False), (None, True)):
        visitor = Browser(app)
        claims = {"email": None, "groups": groups}
        assert visitor.get(STUB.authorize(visitor.start(), ALICE, **claims)).status_code == 302
        with app.app_context():
            user = db.session.scalars(select(User)).one()
            assert (user.email, user.is_operator) == (ALICE, is_operator)


@asvs("6.8.2")
@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("alice", True),
        ("a b", True),
        ("x" * MAX_SUBJECT, True),
        ("x" * (MAX_SUBJECT + 1), False),
        ("", False),
        ("alice ", False),  # MySQL takes it for alice
        (" alice", False),
        ("alice\n", False),
        ("alicé", False),
        (None, False),
        (7, False),
    ],
)
def test_what_can_name_a_user_or_a_session(name: object, taken: bool) -> None:
    assert provider_tokens.is_name(name) is taken


# --- What it shows


@practice("logs")
@asvs("14.2.4", "16.2.5")
def test_the_log_blanks_the_secret_of_the_client(
    app: Flask, log: Callable[[], list[dict[str, Any]]]
) -> None:
    """A library quotes it in an error."""
    try:
        raise ValueError(f"cannot send {CLIENT_SECRET}")
    except ValueError as error:
        logging.getLogger("app.oidc").error("failed: %s", error, exc_info=error)
    assert CLIENT_SECRET not in str(log())
