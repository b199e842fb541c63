"""Tokens that are forged, stolen, replayed, or used after their end."""

from __future__ import annotations

import base64
import hmac
import json
import secrets
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import jwt
import pytest
from flask import Flask
from sqlalchemy import delete, select

from app.auth import sessions, tokens
from app.auth.models import Session, User
from app.auth.sessions import ABSOLUTE_TIMEOUT, ACCESS_LIFETIME, IDLE_TIMEOUT, LEEWAY
from app.database import Base, db, now
from tests.browser import API, ORIGIN, PASSWORD, SAMPLES, Browser
from tests.marks import asvs, practice, slow
from tests.routes import routes
from tests.stored import stored_rows

pytestmark = practice("auth.tokens")

NEW_PASSWORD = "thistle-7-orbit-lantern-wool"
ME, REFRESH = f"{API}/me", f"{API}/auth/refresh"


def encoded(value: object) -> str:
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def decoded(part: str) -> dict[str, Any]:
    return dict(json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))))


@pytest.fixture
def key(app: Flask) -> bytes:
    """The key that really signs: with it, each forgery is wrong in one thing alone."""
    with app.app_context():
        return next(iter(tokens._keys().values()))


def sign(header: dict[str, Any], claims: dict[str, Any], key: bytes) -> str:
    """An HS256 signature over anything, made by hand: PyJWT would refuse some of it."""
    content = f"{encoded(header)}.{encoded(claims)}"
    return f"{content}.{encoded(hmac.digest(key, content.encode(), 'sha256'))}"


@pytest.fixture
def parts(alice: Browser) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a good token."""
    header, claims, _ = alice.access_token.split(".")
    return decoded(header), decoded(claims)


def status(visitor: Browser, token: str) -> int:
    return visitor.get(ME, headers={"Authorization": f"Bearer {token}"}).status_code


# --- What an access token is


@asvs("9.2.4")
def test_an_access_token_has_the_required_claims(
    parts: tuple[dict[str, Any], dict[str, Any]], app: Flask
) -> None:
    header, claims = parts
    assert header == {"alg": "HS256", "kid": header["kid"], "typ": "at+jwt"}
    assert len(header["kid"]) == 16
    with app.app_context():
        session = db.session.scalars(select(Session)).one()
    assert claims == {
        "iss": ORIGIN,
        "aud": f"{ORIGIN}{API}",
        "sub": str(session.user_id),
        "sid": session.public_id,
        "jti": claims["jti"],
        "iat": claims["iat"],
        "nbf": claims["iat"],
        "exp": claims["iat"] + 600,
    }
    assert abs(claims["iat"] - time.time()) < 10
    assert len(claims["jti"]) == 22
    assert timedelta(minutes=5) <= ACCESS_LIFETIME <= timedelta(minutes=10)
    assert timedelta(seconds=30) >= LEEWAY


def test_a_correctly_signed_token_is_accepted(
    browser: Browser, parts: tuple[dict[str, Any], dict[str, Any]], key: bytes
) -> None:
    """The forgeries below fail because of what they change, not because of how they are made."""
    assert status(browser, sign(*parts, key)) == 200


# --- Forged access tokens

HEADERS: dict[str, dict[str, Any]] = {
    "alg none": {"alg": "none"},
    "alg None": {"alg": "None"},
    "alg NONE": {"alg": "NONE"},
    "alg nOnE": {"alg": "nOnE"},
    "alg empty": {"alg": ""},
    "alg a number": {"alg": 1},
    "alg a list": {"alg": ["HS256"]},
    "alg HS384": {"alg": "HS384"},
    "alg HS512": {"alg": "HS512"},
    "alg RS256": {"alg": "RS256"},
    "alg PS256": {"alg": "PS256"},
    "alg ES256": {"alg": "ES256"},
    "alg EdDSA": {"alg": "EdDSA"},
    "alg with a space": {"alg": "HS256 "},
    "alg in small letters": {"alg": "hs256"},
    "typ JWT": {"typ": "JWT"},
    "typ of a refresh token": {"typ": "rt+jwt"},
    "typ of a logout token": {"typ": "logout+jwt"},
    "typ in capitals": {"typ": "AT+JWT"},
    "typ with its prefix": {"typ": "application/at+jwt"},
    "typ null": {"typ": None},
    "embedded jwk": {"jwk": {"kty": "oct", "k": encoded(b"x" * 32), "alg": "HS256"}},
    "jku": {"jku": "https://evil.example/jwks.json"},
    "jku of ours": {"jku": f"{ORIGIN}/jwks.json"},
    "x5u": {"x5u": "https://evil.example/cert.pem"},
    "x5c": {"x5c": ["MIIB"]},
    "crit": {"crit": ["exp"]},
    "crit unknown": {"crit": ["https://evil.example/ext"], "https://evil.example/ext": True},
    "crit b64": {"crit": ["b64"], "b64": False},
    "b64": {"b64": False},
    "cty": {"cty": "JWT"},
    "zip": {"zip": "DEF"},
    "kid unknown": {"kid": "0" * 16},
    "kid traversal": {"kid": "../../../../dev/null"},
    "kid of a file": {"kid": "/proc/sys/kernel/randomize_va_space"},
    "kid of a page": {"kid": "https://evil.example/key"},
    "kid SQL": {"kid": "x' UNION SELECT 'key"},
    "kid command": {"kid": "key|id"},
    "kid empty": {"kid": ""},
    "kid a number": {"kid": 0},
    "kid null": {"kid": None},
    "kid a list": {"kid": ["x"]},
    "kid an object": {"kid": {}},
}


@asvs("9.1.1", "9.1.2", "9.1.3", "9.2.2")
@pytest.mark.parametrize("change", HEADERS.values(), ids=HEADERS)
def test_a_token_header_cannot_choose_the_key_or_algorithm(
    app: Flask,
    browser: Browser,
    parts: tuple[dict[str, Any], dict[str, Any]],
    key: bytes,
    change: dict[str, Any],
) -> None:
    header, claims = parts
    forged = {**header, **change}
    unsigned = f"{encoded(forged)}.{encoded(claims)}."
    embedded = base64.urlsafe_b64decode(change["jwk"]["k"] + "=") if "jwk" in change else b"x" * 32
    for token in (
        sign(forged, claims, key),  # even with the real key
        sign(forged, claims, embedded),
        sign(forged, claims, b""),
        sign(forged, claims, str(forged["kid"]).encode()),
        unsigned,
        unsigned[:-1],
        unsigned + "x",
    ):
        assert status(browser, token) == 401


@asvs("9.1.2", "9.2.2")
@pytest.mark.parametrize("missing", ["alg", "typ", "kid"])
def test_a_token_without_a_required_header_is_refused(
    browser: Browser, parts: tuple[dict[str, Any], dict[str, Any]], key: bytes, missing: str
) -> None:
    header, claims = parts
    del header[missing]
    assert status(browser, sign(header, claims, key)) == 401


@asvs("9.1.1")
def test_a_key_of_another_kind_does_not_verify(
    app: Flask, browser: Browser, parts: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    """HS and RS confusion: what everybody may know is taken for the secret."""
    header, claims = parts
    known = [
        b"",
        b"\0" * 32,
        b"secret",
        header["kid"].encode(),
        ORIGIN.encode(),
        b"-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----\n",
        # Not public, but for something else: a key has one use.
        str(app.secret_key).encode(),
    ]
    for guess in known:
        assert status(browser, sign(header, claims, guess)) == 401


CLAIMS: dict[str, dict[str, Any]] = {
    "iss foreign": {"iss": "https://evil.example"},
    "iss http": {"iss": "http://service.test"},
    "iss longer": {"iss": f"{ORIGIN}/"},
    "iss a list": {"iss": [ORIGIN]},
    "aud foreign": {"aud": "https://evil.example"},
    "aud of the site": {"aud": ORIGIN},
    "aud of the next version": {"aud": f"{ORIGIN}/api/v2"},
    "aud a list": {"aud": [f"{ORIGIN}{API}", "https://evil.example"]},
    "aud empty": {"aud": ""},
    "expired": {"exp": int(time.time()) - 11},
    "expired long ago": {"exp": 1},
    "exp a text": {"exp": "never"},
    "exp null": {"exp": None},
    "not yet valid": {"nbf": int(time.time()) + 3600},
    "made in the future": {"iat": int(time.time()) + 3600},
    "sub of another user": {"sub": "BOB"},  # Bob's, in the test
    "sub with a space": {"sub": "ALICE "},
    "sub null": {"sub": None},
    "sid unknown": {"sid": "A" * 22},
    "sid empty": {"sid": ""},
    "sid null": {"sid": None},
    "sid a number": {"sid": 1},
    "sid a list": {"sid": ["x"]},
    "sid SQL": {"sid": "' OR '1'='1"},
    "sid wildcard": {"sid": "%"},
    "jti a number": {"jti": 1},
}


@asvs("9.2.1", "9.2.3", "10.3.1", "10.3.2", "10.3.3")
@pytest.mark.parametrize("change", CLAIMS.values(), ids=CLAIMS)
def test_a_wrong_claim_is_refused(
    alice: Browser,
    bob: Browser,
    browser: Browser,
    parts: tuple[dict[str, Any], dict[str, Any]],
    key: bytes,
    change: dict[str, Any],
) -> None:
    header, claims = parts
    for name, user in (("ALICE", alice), ("BOB", bob)):
        subject = decoded(user.access_token.split(".")[1])["sub"]
        change = {k: v.replace(name, subject) if k == "sub" and v else v for k, v in change.items()}
    assert status(browser, sign(header, {**claims, **change}, key)) == 401


@asvs("9.2.1", "9.2.3")
@pytest.mark.parametrize("missing", ["iss", "aud", "sub", "sid", "jti", "iat", "nbf", "exp"])
def test_a_missing_claim_is_refused(
    browser: Browser, parts: tuple[dict[str, Any], dict[str, Any]], key: bytes, missing: str
) -> None:
    header, claims = parts
    del claims[missing]
    assert status(browser, sign(header, claims, key)) == 401


@asvs("9.1.1")
def test_a_changed_token_is_refused(alice: Browser, browser: Browser) -> None:
    good = alice.access_token
    header, claims, signature = good.split(".")
    admin = encoded({**decoded(claims), "sub": "0"})
    for token in (
        good[:-1],
        good[:-10],
        good[: good.rindex(".") + 1],
        good[: good.rindex(".")],
        f"{header}.{admin}.{signature}",
        f"{header}..{signature}",
        f".{claims}.{signature}",
        f"{good}.{signature}",
        good + "A",
        good.upper(),
        f"{good},{good}",
        f"{good} {good}",
    ):
        assert status(browser, token) == 401, token
    for position in range(0, len(good) - 1, 7):
        flipped = "A" if good[position] != "A" else "B"
        assert status(browser, good[:position] + flipped + good[position + 1 :]) == 401, position
    assert status(browser, good) == 200


GARBAGE = ["", ".", "..", "...", "null", "a.b.c", "\xff\xfe", "x" * 8000, "[]", "e30.e30.e30"]


@asvs("9.1.1")
@pytest.mark.parametrize("token", GARBAGE, ids=[ascii(text[:12]) for text in GARBAGE])
def test_a_malformed_token_is_refused(browser: Browser, token: str) -> None:
    assert status(browser, token) == 401
    assert browser.refresh(token or "x").status_code == 401


def test_a_token_with_a_deeply_nested_header_is_refused(browser: Browser) -> None:
    for nested in (b"[" * 5000, b'{"a":' * 3000, b"[" * 900 + b"]" * 900):
        assert status(browser, f"{encoded(nested)}.e30.x") == 401


@asvs("14.2.1")
def test_another_scheme_or_place_is_not_read(alice: Browser, browser: Browser) -> None:
    """A token in the address would be kept in logs and histories (RFC 6750, section 2.3)."""
    good = alice.access_token
    for name in ("access_token", "token", "Authorization", "bearer", "jwt"):
        for route in routes(browser.app):
            if route.method == "GET" and route.endpoint.startswith(("samples.", "me.")):
                response = browser.get(route.path(), query_string={name: good})
                assert response.status_code == 401, route
        sent = {"data": {name: good}, "content_type": "application/x-www-form-urlencoded"}
        assert browser.open("POST", SAMPLES, **sent).status_code == 401
        assert browser.post(SAMPLES, {"title": "T", "body": "B", name: good}).status_code == 401
        assert browser.get(ME, headers={f"X-{name}": good, "Token": good}).status_code == 401
    for value in (good, f"Token {good}", f"Basic {good}", f"JWT {good}", f"Bearer={good}"):
        assert browser.get(ME, headers={"Authorization": value}).status_code == 401
    assert browser.get(ME, headers={"Authorization": f"bearer {good}"}).status_code == 200


@asvs("16.5.1")
def test_every_invalid_token_gets_the_same_answer(
    alice: Browser,
    browser: Browser,
    parts: tuple[dict[str, Any], dict[str, Any]],
    key: bytes,
) -> None:
    header, claims = parts
    answers = set()
    for token in (
        "x",
        sign(header, claims, b"x" * 32),
        sign(header, {**claims, "exp": 1}, key),
        sign(header, {**claims, "aud": "x"}, key),
        sign(header, {**claims, "sid": "A" * 22}, key),
    ):
        response = browser.get(ME, headers={"Authorization": f"Bearer {token}"})
        problem = {**response.json, "request_id": ""}
        answers.add((response.status, response.headers["WWW-Authenticate"], str(problem)))
    assert len(answers) == 1
    assert "Bearer realm=api, error=invalid_token" in str(answers)


@asvs("9.2.1")
def test_an_access_token_expires(
    alice: Browser,
    parts: tuple[dict[str, Any], dict[str, Any]],
    key: bytes,
) -> None:
    header, claims = parts
    leeway = int(LEEWAY.total_seconds())
    clock = int(time.time())
    assert status(alice, sign(header, {**claims, "exp": clock - leeway + 5}, key)) == 200
    assert status(alice, sign(header, {**claims, "exp": clock - leeway - 1}, key)) == 401


@asvs("9.2.2")
def test_refresh_and_access_tokens_are_not_interchangeable(alice: Browser) -> None:
    assert status(alice, alice.refresh_token) == 401
    assert alice.refresh(alice.access_token).status_code == 401
    assert alice.is_signed_in()


def test_a_public_route_accepts_an_expired_token(alice: Browser) -> None:
    # An app that refreshes sends what it has.
    for token in ("x", alice.access_token[:-5]):
        headers = {"Authorization": f"Bearer {token}"}
        assert alice.get("/healthz", headers=headers).status_code == 200
        sent = {"refresh_token": alice.refresh_token}
        response = alice.post(REFRESH, sent, headers=headers)
        assert response.status_code == 200
        alice.refresh_token = response.json["refresh_token"]


# --- Refresh tokens


@asvs("7.2.2", "7.2.3", "10.4.5")
def test_a_refresh_gives_a_new_pair(alice: Browser) -> None:
    first = (alice.access_token, alice.refresh_token)
    assert alice.refresh().status_code == 200
    assert not {alice.access_token, alice.refresh_token} & set(first)
    assert alice.is_signed_in()
    assert len(alice.refresh_token.split(".")[1]) == 43  # 256 bits


@asvs("10.4.5", "16.3.3")
def test_reuse_of_a_refresh_token_ends_the_session(
    alice: Browser, new_browser: Callable[..., Browser], log: Callable[[], list[dict[str, Any]]]
) -> None:
    stolen = alice.refresh_token
    thief = new_browser("192.0.2.66")
    assert thief.refresh(stolen).status_code == 200  # the thief is first
    assert thief.is_signed_in()
    log()
    assert alice.refresh(stolen).status_code == 401
    (event,) = [line for line in log() if line["event"] == "authn_token_reuse"]
    assert (event["level"], event["address"]) == ("WARNING", alice.address)
    assert str(event["account"]) == decoded(thief.access_token.split(".")[1])["sub"]
    for visitor in (alice, thief):
        assert not visitor.is_signed_in()
        assert visitor.refresh().status_code == 401


@asvs("10.4.5")
@pytest.mark.parametrize("age", [1, 2, 5])
def test_using_any_older_refresh_token_ends_the_session(alice: Browser, age: int) -> None:
    old = [alice.refresh_token]
    for _ in range(age):
        alice.refresh()
        old.append(alice.refresh_token)
    assert alice.refresh(old[0]).status_code == 401
    assert not alice.is_signed_in()
    assert alice.refresh(old[-1]).status_code == 401


def test_other_sign_ins_go_on(alice: Browser, new_browser: Callable[..., Browser]) -> None:
    phone = new_browser()
    phone.sign_in(alice.email)
    stolen = alice.refresh_token
    alice.refresh()
    alice.refresh(stolen)
    assert not alice.is_signed_in()
    assert phone.is_signed_in()
    assert phone.refresh().status_code == 200


def test_a_forged_refresh_token_ends_no_session(alice: Browser) -> None:
    """An access token names its session; nobody who reads one may end it with a guess."""
    session, token, signature = alice.refresh_token.split(".")
    for made_up in (
        f"{session}.{secrets.token_urlsafe(32)}.{signature}",
        f"{session}.{token}",
        f"{session}.{token}.",
        f"{session}.{token}.{signature[:-2]}",
        f"{session}..{signature}",
        f"{session}.{secrets.token_urlsafe(32)}.{secrets.token_urlsafe(32)}",
        session,
        token,
    ):
        assert Browser(alice.app, f"192.0.2.{len(made_up)}").refresh(made_up).status_code == 401
    assert alice.is_signed_in()
    assert alice.refresh().status_code == 200


@asvs("10.4.5", "15.4.2")
def test_only_one_of_twenty_simultaneous_refreshes_succeeds(app: Flask, alice: Browser) -> None:
    token = alice.refresh_token
    start = Barrier(20)

    def use(number: int) -> tuple[int, str]:
        visitor = Browser(app, f"192.0.2.{number}")
        start.wait(10)
        response = visitor.refresh(token)
        return response.status_code, visitor.access_token

    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(use, range(20)))
    assert Counter(status for status, _ in answers) == {200: 1, 401: 19}
    # The others were second uses: one of the twenty may be the thief.
    (winner,) = [token for status, token in answers if status == 200]
    assert status(alice, winner) == 401
    with app.app_context():
        assert db.session.scalars(select(Session)).all() == []


def test_the_database_holds_nothing_that_signs_in(app: Flask, alice: Browser) -> None:
    with app.app_context():
        dump = "".join(str(stored_rows(table)) for table in Base.metadata.sorted_tables)
    for secret in (alice.access_token, alice.refresh_token, PASSWORD):
        assert secret not in dump
    assert alice.refresh_token.split(".")[1] not in dump


# --- The end of a sign-in


def end_by_sign_out(victim: Browser, cli: Callable[..., Any]) -> None:
    assert victim.sign_out().status_code == 204


def end_by_password_change(victim: Browser, cli: Callable[..., Any]) -> None:
    assert victim.change_password(PASSWORD, NEW_PASSWORD).status_code == 200


def end_by_disabling(victim: Browser, cli: Callable[..., Any]) -> None:
    assert cli("users", "disable", victim.email).exit_code == 0


def end_by_disabling_in_the_database(victim: Browser, cli: Callable[..., Any]) -> None:
    with victim.app.app_context():
        db.session.scalars(select(User)).one().disabled_at = now()
        db.session.commit()


def end_by_revoking_the_user(victim: Browser, cli: Callable[..., Any]) -> None:
    assert cli("sessions", "revoke", "--user", victim.email).exit_code == 0


def end_by_revoking_all(victim: Browser, cli: Callable[..., Any]) -> None:
    assert cli("sessions", "revoke", "--all").exit_code == 0


ENDINGS = [
    end_by_sign_out,
    end_by_password_change,
    end_by_disabling,
    end_by_disabling_in_the_database,
    end_by_revoking_the_user,
    end_by_revoking_all,
]


@practice("auth.sessions")
@asvs("7.2.1", "7.4.1", "7.4.2", "7.4.3", "7.4.5", "8.3.2")
@pytest.mark.parametrize("end", ENDINGS)
def test_saved_tokens_are_worthless_after_the_end(
    alice: Browser,
    cli: Callable[..., Any],
    new_browser: Callable[..., Browser],
    end: Callable[..., None],
) -> None:
    access, refresh = alice.access_token, alice.refresh_token
    thief = new_browser("192.0.2.66")
    assert status(thief, access) == 200
    end(alice, cli)
    assert status(thief, access) == 401
    assert thief.refresh(refresh).status_code == 401
    assert not thief.is_signed_in()


@practice("auth.sessions", "passwords")
@asvs("6.2.2", "7.4.3")
def test_a_password_change_gives_this_app_a_new_pair_and_ends_all_others(
    alice: Browser, new_browser: Callable[..., Browser]
) -> None:
    phone = new_browser()
    phone.sign_in(alice.email)
    assert alice.change_password(PASSWORD, NEW_PASSWORD).status_code == 200
    assert alice.is_signed_in()
    assert alice.refresh().status_code == 200
    assert not phone.is_signed_in()
    assert phone.refresh().status_code == 401
    assert new_browser().sign_in(alice.email, PASSWORD).status_code == 401
    assert new_browser().sign_in(alice.email, NEW_PASSWORD).status_code == 200


@practice("passwords")
@asvs("6.2.3")
def test_a_stolen_access_token_does_not_change_the_password(alice: Browser) -> None:
    response = alice.change_password("wrong-" + PASSWORD, NEW_PASSWORD)
    assert response.status_code == 422
    assert [error["pointer"] for error in response.json["errors"]] == ["#/current_password"]
    assert alice.is_signed_in()


@practice("auth.sessions")
@asvs("7.4.2")
def test_a_disabled_user_cannot_sign_in(alice: Browser, cli: Callable[..., Any]) -> None:
    cli("users", "disable", alice.email)
    assert alice.sign_in(alice.email).status_code == 401
    cli("users", "enable", alice.email)
    assert not alice.is_signed_in()  # what had ended stays ended
    assert alice.sign_in(alice.email).status_code == 200


@practice("auth.sessions")
@asvs("7.3.1", "7.3.2", "7.4.1")
@pytest.mark.parametrize(
    ("column", "age", "alive"),
    [
        ("last_seen_at", IDLE_TIMEOUT - timedelta(minutes=1), True),
        ("last_seen_at", IDLE_TIMEOUT + timedelta(minutes=1), False),
        ("created_at", ABSOLUTE_TIMEOUT - timedelta(minutes=1), True),
        ("created_at", ABSOLUTE_TIMEOUT + timedelta(minutes=1), False),
    ],
)
@pytest.mark.parametrize("use", ["access", "refresh"])
def test_a_sign_in_expires(
    app: Flask, alice: Browser, column: str, age: timedelta, alive: bool, use: str
) -> None:
    with app.app_context():
        setattr(db.session.scalars(select(Session)).one(), column, now() - age)
        db.session.commit()
    response = alice.get(ME) if use == "access" else alice.refresh()
    assert response.status_code == (200 if alive else 401)
    with app.app_context():
        assert bool(db.session.scalars(select(Session)).all()) is alive


@practice("auth.sessions")
@asvs("7.3.2", "10.4.8")
def test_refreshing_ends_at_the_absolute_timeout(
    alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, days = now(), 0
    while alice.refresh().status_code == 200:
        days += 5
        moment = start + timedelta(days=days)
        monkeypatch.setattr(sessions, "now", lambda moment=moment: moment)
        monkeypatch.setattr(tokens, "now", lambda moment=moment: moment)
        assert days <= 30, "the sign-in never ends"
    assert timedelta(days=days - 5) <= ABSOLUTE_TIMEOUT < timedelta(days=days)
    assert timedelta(days=14) >= ABSOLUTE_TIMEOUT >= IDLE_TIMEOUT


@asvs("2.3.2")
def test_one_account_has_a_limited_number_of_sessions(app: Flask, alice: Browser) -> None:
    with app.app_context():
        user = db.session.scalars(select(Session)).one().user
        for _ in range(sessions.MAX_SESSIONS):
            sessions.start(user, address="", device="", proof="password", proven_at=None)
        db.session.commit()
        assert len(sessions.of_user(user)) == sessions.MAX_SESSIONS
    assert not alice.is_signed_in()  # the oldest ended


def test_a_session_that_ends_at_this_moment_is_no_error(
    app: Flask, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends after it was found, and before the time it was last seen is written."""
    moment = now() + sessions.TOUCH_EVERY * 2
    ended = []

    def end_it_now() -> object:
        if not ended:
            ended.append(True)
            with app.app_context():
                other = {"unscoped": "another request ends it", "writes": "another request ends it"}
                db.session.execute(delete(Session), execution_options=other)
                db.session.commit()
        return moment

    monkeypatch.setattr(sessions, "now", end_it_now)
    assert alice.get(ME).status_code == 401
    assert ended


# --- Keys


@asvs("11.2.2")
def test_a_rotation_signs_nobody_out_and_the_second_ends_the_old_key(
    app: Flask, alice: Browser, make_app: Callable[..., Flask]
) -> None:
    keys = [secrets.token_urlsafe(48) for _ in range(2)]
    once = make_app(SECRET_KEY=keys[0], SECRET_KEY_FALLBACKS=str(app.secret_key))
    twice = make_app(SECRET_KEY=keys[1], SECRET_KEY_FALLBACKS=keys[0])
    old = (alice.access_token, alice.refresh_token)
    visitor = Browser(once)
    assert status(visitor, old[0]) == 200
    assert visitor.refresh(old[1]).status_code == 200
    assert visitor.is_signed_in()
    assert decoded(visitor.access_token.split(".")[0]) != decoded(old[0].split(".")[0])
    later = Browser(twice)
    assert status(later, visitor.access_token) == 200
    for token in old:
        assert status(later, token) == 401
        assert later.refresh(token).status_code == 401
    assert later.refresh(visitor.refresh_token).status_code == 200


def test_a_key_has_one_use(app: Flask, key: bytes) -> None:
    with app.app_context():
        assert len(key) == 32
        assert key != str(app.secret_key).encode()
        assert tokens._signer().derive_key() != key


@asvs("9.2.3", "10.3.1")
def test_a_token_of_another_service_is_refused(
    alice: Browser, make_app: Callable[..., Flask]
) -> None:
    """The same keys by mistake, as in a copied .env: the name still tells them apart."""
    other = Browser(make_app(DOMAIN_NAME="other.test"))
    response = other.get(
        ME,
        base_url="https://other.test",
        headers={"Authorization": f"Bearer {alice.access_token}"},
    )
    assert response.status_code == 401


@asvs("9.1.2")
def test_the_algorithm_is_a_constant() -> None:
    assert tokens.ALGORITHM == "HS256"
    assert jwt.__version__ >= "2.15"


# --- Limits


@practice("rate_limits")
@asvs("2.4.1")
def test_refreshing_is_limited_by_address(browser: Browser) -> None:
    statuses = [browser.refresh(f"a{n}.b.c").status_code for n in range(31)]
    assert statuses == [401] * 30 + [429]


@practice("rate_limits")
@asvs("2.4.1")
@slow
def test_refreshing_is_limited_by_token(
    alice: Browser, new_browser: Callable[..., Browser]
) -> None:
    statuses = []
    for number in range(31):
        alice.address = f"192.0.2.{number}"
        statuses.append(alice.refresh().status_code)
    assert statuses == [200] * 30 + [429]
    bob = new_browser().sign_up("bob@example.com")
    assert bob.refresh().status_code == 200


@practice("rate_limits")
@asvs("6.3.1")
@pytest.mark.parametrize("forged", ["{}.x.y", "{}.x", "{}", "{}.{}.y", "{}.x.x.y"])
def test_a_session_id_that_leaked_does_not_use_up_the_limit_of_its_owner(
    app: Flask, alice: Browser, new_browser: Callable[..., Browser], forged: str
) -> None:
    # The id stands in every access token, and in the list of devices. It is no secret.
    session_id = decoded(alice.access_token.split(".")[1])["sid"]
    attempts = [
        new_browser(f"192.0.2.{number}").refresh(forged.format(session_id, "x")).status_code
        for number in range(31)
    ]
    assert attempts == [401] * 31
    assert alice.refresh().status_code == 200
