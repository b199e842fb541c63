"""Logs that are forged, that miss an attack, or that give secrets away themselves."""

from __future__ import annotations

import json
import logging
import re
import secrets
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from errno import ENOSPC
from io import StringIO
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from sqlalchemy import text, update

from app.auth import sessions
from app.auth.models import Session
from app.database import db, migration_engine, now
from app.security import check
from tests.actions import ABSOLUTE_TIMEOUT
from tests.browser import (
    CREATE_ACCOUNT,
    CREATE_OPTIONS,
    FAILED_SIGN_IN,
    PASSWORD,
    SAMPLES,
    SIGN_IN,
    Browser,
)
from tests.events import INTERFACE_EVENTS
# <% if cookiecutter.auth != "oidc" %>
from tests.mailbox import newest_token
# <% endif %>
from tests.marks import asvs, slow
# <% if cookiecutter.auth != "oidc" %>
from tests.password_actions import ask_for_account, ask_for_reset, open_account, set_password
# <% endif %>
from tests.routes import UNKNOWN
from tests.security.test_errors import CANARY, break_every_view

Log = Callable[[], list[dict[str, Any]]]
OTHER_PASSWORD = "kelp-drizzle-9-anvil-tooth"


# --- One JSON object per line, whatever is sent


@asvs("16.2.1", "16.2.2", "16.2.4")
def test_every_request_is_one_line_of_json(alice: Browser, log: Log) -> None:
    log()
    response = alice.get(f"/nothing?before={UNKNOWN}")
    (line,) = log()
    age = datetime.now(UTC) - datetime.fromisoformat(line.pop("time"))
    assert timedelta(0) <= age < timedelta(seconds=10)
    assert line.pop("milliseconds") > 0
    assert line == {
        "level": "INFO",
        "logger": "app.access",
        "event": "request",
        "request_id": response.headers["X-Request-ID"],
        "address": alice.address,
        "method": "GET",
        "path": "/nothing",
        "status": 404,
    }


# Characters that end a line in some log readers, and escape sequences of terminals.
LINE_ENDS = [
    "\r\n",
    "\n",
    "\r",
    "\x0b",
    "\x0c",
    "\x1c",
    "\x85",
    "\u2028",
    "\u2029",
    "\x1b[2K",
    "\0",
]
ATTACK = "".join(f'{end}{{"event":0}}' for end in LINE_ENDS)


@asvs("16.4.1")
def test_no_input_starts_a_line_of_its_own(browser: Browser, log: Log) -> None:
    browser.get(f"/{quote(ATTACK)}")
    browser.get("/", query_string={"a": ATTACK})
    browser.attempt(ATTACK, ATTACK[:99])
    browser.open("POST", "/", headers={"Sec-Fetch-Site": None, "Origin": header(ATTACK)})
    for name in ("User-Agent", "X-Request-ID", "X-Forwarded-For", "Accept"):
        browser.get("/nothing", headers={name: header(ATTACK)})
    lines = log()  # every line is JSON, or the fixture fails
    assert [line["event"] for line in lines if line["event"] != "request"] == [
        *FAILED_SIGN_IN,
        "malicious_csrf",
    ]
    assert len(lines) >= 2 + 8


def header(value: str) -> str:
    """``value`` as a server passes on the bytes of a header, which cannot hold a line break."""
    return re.sub("[\r\n]", " ", value).encode().decode("latin-1")


def test_a_well_formed_request_id_is_kept(browser: Browser, log: Log) -> None:
    for sent, kept in {
        "0123456789abcdef0123456789abcdef": True,  # Nginx's $request_id
        "00000000-0000-4000-8000-000000000000": True,
        "a" * 64: True,
        "a" * 65: False,
        "": False,
        "a b": False,
        "a,b": False,
        'a"}': False,
        "<script>": False,
        "é": False,
        "\u0663": False,  # a digit, but not one of ours
    }.items():
        response = browser.get("/nothing", headers={"X-Request-ID": header(sent)})
        identifier = response.headers["X-Request-ID"]
        assert log()[-1]["request_id"] == identifier
        assert identifier in response.text
        assert (identifier == sent) is kept, sent
        assert kept or re.fullmatch("[0-9a-f]{32}", identifier)


TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACED = [f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-00", f"cc-{TRACE}-{SPAN}-01-more.x"]
NOT_TRACED = [
    "",
    TRACE,
    f"ff-{TRACE}-{SPAN}-01",
    f"00-{TRACE.upper()}-{SPAN}-01",
    f"00-{'0' * 32}-{SPAN}-01",
    f"00-{TRACE}-{'0' * 16}-01",
    f"00-{TRACE}-{SPAN}-01-more",
    f"00-{TRACE}-{SPAN}-01-",
    f"00-{TRACE}-{SPAN}-1",
    f"00-{TRACE}-{SPAN}-01,00-{TRACE}-{SPAN}-01",
    f"cc-{TRACE}-{SPAN}-01.more",
    f"cc-{TRACE}-{SPAN}-01-{'a' * 500}",
    f"00-{TRACE[:-1]}\u0663-{SPAN}-01",  # a digit, but not one of ours
    f" 00-{TRACE}-{SPAN}-01",
]


@asvs("16.4.1")
def test_a_well_formed_trace_is_in_the_log_lines(browser: Browser, log: Log) -> None:
    for sent in TRACED:
        response = browser.open(
            "POST", SIGN_IN, headers={"traceparent": sent, "Sec-Fetch-Site": "cross-site"}
        )
        lines = log()
        assert len(lines) > 1
        assert {line["trace_id"] for line in lines} == {TRACE}, sent
        assert {line["request_id"] for line in lines} == {response.headers["X-Request-ID"]}
        assert TRACE not in response.headers["X-Request-ID"]
    for sent in NOT_TRACED:
        browser.get("/nothing", headers={"traceparent": header(sent)})
        assert [line for line in log() if "trace_id" in line] == [], sent


def test_request_ids_do_not_repeat(browser: Browser) -> None:
    assert len({browser.get("/healthz").headers["X-Request-ID"] for _ in range(20)}) == 20


def test_nothing_is_written_to_standard_output(
    alice: Browser, capfd: pytest.CaptureFixture[str]
) -> None:
    alice.get("/nothing")
    assert capfd.readouterr().out == ""


# --- Every event of interest


def sign_in_badly(app: Flask, alice: Browser, cli: Callable[..., Any]) -> None:
    Browser(app).sign_in(alice.email, OTHER_PASSWORD)


def sign_in(app: Flask, alice: Browser, cli: Callable[..., Any]) -> None:
    Browser(app).sign_in(alice.email)


def come_back_after_hours(app: Flask, alice: Browser, cli: Callable[..., Any]) -> None:
    with app.app_context():
        long_ago = now() - ABSOLUTE_TIMEOUT - timedelta(seconds=1)
        db.session.execute(update(Session).values(created_at=long_ago))
        db.session.commit()
    alice.get(SAMPLES)


def sign_in_once_too_often(app: Flask, alice: Browser, cli: Callable[..., Any]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sessions, "MAX_SESSIONS", 1)
        sign_in(app, alice, cli)


def flood(app: Flask, alice: Browser, cli: Callable[..., Any]) -> None:
    visitor = Browser(app)
    for _ in range(11):
        visitor.post(SIGN_IN)


# <% if cookiecutter.auth != "oidc" %>
def open_too_late(app: Flask, alice: Browser, cli: Callable[..., Any]) -> None:
    ask_for_account(alice, "new@example.com")
    token = newest_token(app, "new@example.com")
    cli("users", CREATE_ACCOUNT, "new@example.com", *CREATE_OPTIONS)
    open_account(alice, token, PASSWORD)


def set_forgotten_password(app: Flask, alice: Browser, cli: Callable[..., Any]) -> None:
    ask_for_reset(Browser(app), alice.email)
    set_password(Browser(app), newest_token(app, alice.email), OTHER_PASSWORD)


# <% endif %>
Events = dict[str, tuple[Callable[[Flask, Browser, Callable[..., Any]], object], list[str]]]
# <% if cookiecutter.auth == "oidc" %>
PASSWORD_EVENTS: Events = {}  # the provider keeps the passwords
# <% else %>
PASSWORD_EVENTS: Events = {
    "sign-up": (
        lambda app, alice, cli: Browser(app).register("new@example.com"),
        ["user_created"],
    ),
    "sign-up with an address that was taken meanwhile": (
        open_too_late,
        ["user_created", "user_create_refused"],
    ),
    "password reset": (
        set_forgotten_password,
        ["session_revoked", "authn_password_change"],
    ),
    "password change": (
        lambda app, alice, cli: alice.change_password(PASSWORD, OTHER_PASSWORD),
        ["session_revoked", "authn_password_change", "session_created"],
    ),
    "password change fails": (
        lambda app, alice, cli: alice.change_password(OTHER_PASSWORD, OTHER_PASSWORD),
        ["authn_password_change_fail"],
    ),
}


@asvs("16.2.1", "16.2.2")
def test_an_event_says_who_and_from_where(alice: Browser, log: Log) -> None:
    log()
    response = alice.change_password(OTHER_PASSWORD, OTHER_PASSWORD)
    event, access = log()[-2:]
    with alice.app.app_context():
        user = db.session.scalar(text("SELECT id FROM users"))
    assert datetime.fromisoformat(event.pop("time")).utcoffset() == timedelta(0)
    assert event == {
        "level": "WARNING",
        "logger": "app.security",
        "event": "authn_password_change_fail",
        "request_id": response.headers["X-Request-ID"],
        "address": alice.address,
        "user": user,
        "account": user,
    }
    assert access["request_id"] == event["request_id"]


# <% endif %>
EVENTS: Events = {
    # <% if cookiecutter.auth == "oidc" %>
    "sign-in": (sign_in, ["authn_login_success", "session_created"]),
    # <% else %>
    "sign-in": (sign_in, ["authn_device_new", "authn_login_success", "session_created"]),
    # <% endif %>
    "sign-in fails": (sign_in_badly, ["authn_login_fail"]),
    "sign-out": (lambda app, alice, cli: alice.sign_out(), ["session_revoked"]),
    "session expires": (come_back_after_hours, ["session_expired", "authz_fail"]),
    "one session too many": (
        sign_in_once_too_often,
        # <% if cookiecutter.auth == "oidc" %>
        ["authn_login_success", "session_revoked", "session_created"],
        # <% else %>
        ["authn_device_new", "authn_login_success", "session_revoked", "session_created"],
        # <% endif %>
    ),
    "limit hit": (flood, ["excess_rate_limit_exceeded"]),
    "cross-site request": (
        lambda app, alice, cli: alice.post("/", headers={"Sec-Fetch-Site": "cross-site"}),
        ["malicious_csrf"],
    ),
    "account created": (
        lambda _app, _alice, cli: cli("users", CREATE_ACCOUNT, "x@x.org", *CREATE_OPTIONS),
        ["user_created"],
    ),
    "account disabled": (
        lambda app, alice, cli: cli("users", "disable", alice.email),
        ["session_revoked", "user_disabled"],
    ),
    "account disabled, then sign-in": (
        lambda app, alice, cli: (cli("users", "disable", alice.email), sign_in(app, alice, cli)),
        ["session_revoked", "user_disabled", "authn_login_fail"],
    ),
    "account enabled": (
        lambda app, alice, cli: [cli("users", it, alice.email) for it in ("disable", "enable")],
        ["session_revoked", "user_disabled", "user_enabled"],
    ),
    "sessions revoked": (
        lambda app, alice, cli: cli("sessions", "revoke", "--all"),
        ["session_revoked"],
    ),
    **PASSWORD_EVENTS,
    **INTERFACE_EVENTS,
}


@asvs("16.3.1", "16.3.3")
@pytest.mark.parametrize("name", EVENTS)
def test_every_security_event_is_logged(
    app: Flask,
    alice: Browser,
    cli: Callable[..., Any],
    caplog: pytest.LogCaptureFixture,
    name: str,
) -> None:
    act, expected = EVENTS[name]
    caplog.clear()
    act(app, alice, cli)
    found = [r.message for r in caplog.records if r.name == "app.security"]
    assert found[-len(expected) :] == expected
    # Earlier events: requests that were refused, and the start of an emergency sign-in.
    refused = {"malicious_csrf", "input_validation_fail", *FAILED_SIGN_IN[:-1]}
    assert set(found[: -len(expected)]) <= refused


# --- No secret in any line


@asvs("16.2.5")
@slow
def test_a_whole_visit_leaves_no_secret_in_the_log(
    app: Flask, browser: Browser, capfd: pytest.CaptureFixture[str]
) -> None:
    email = "secretive-name@example.com"
    browser.sign_up(email)
    kept = {PASSWORD, OTHER_PASSWORD, email, "secretive-name", str(app.secret_key)}
    kept |= {browser.credential()}
    browser.write("canary-title", "canary-body")
    browser.get(f"{SAMPLES}?before=canary-query&token=canary-query")
    browser.get("/nothing", headers={"Authorization": "Bearer canary-bearer"})
    browser.get(SAMPLES, headers={"Authorization": "Bearer canary-bearer"})
    browser.post(SAMPLES, {"title": "canary-title", "csrf_token": "canary-token"})
    browser.post(
        "/", headers={"Sec-Fetch-Site": "cross-site", "Referer": "https://x/?canary-query"}
    )
    # <% if cookiecutter.auth != "oidc" %>
    assert browser.change_password(OTHER_PASSWORD, OTHER_PASSWORD).status_code == 422
    assert browser.change_password(PASSWORD, OTHER_PASSWORD).status_code in (200, 302)
    # <% endif %>
    kept |= {browser.credential()}
    browser.sign_out()
    browser.sign_in(email, "canary-wrong-password")
    browser.sign_in("canary-nobody@example.com")
    browser.sign_in(email, OTHER_PASSWORD)
    kept |= {browser.credential()}
    break_every_view(app)
    browser.post(SIGN_IN, {"email": email, "password": PASSWORD})
    written = capfd.readouterr().err
    assert len(written.splitlines()) > 20
    for secret in (kept | {"canary"}) - {""}:
        assert secret not in written.replace(CANARY, ""), secret


@asvs("16.2.5")
def test_a_failing_statement_leaves_no_value_in_the_log(
    browser: Browser, capfd: pytest.CaptureFixture[str]
) -> None:
    # The exception's text has the statement, and would have its values.
    with browser.app.app_context():
        migrator = migration_engine()
    with migrator.begin() as connection:
        connection.execute(text("ALTER TABLE users RENAME TO lost"))
    try:
        capfd.readouterr()
        assert browser.register("canary@example.com").status_code == 503
        assert browser.sign_in("canary@example.com").status_code == 503
    finally:
        with migrator.begin() as connection:
            connection.execute(text("ALTER TABLE lost RENAME TO users"))
    written = capfd.readouterr().err
    assert " users" in written  # the statement
    assert "canary" not in written
    assert "argon2id" not in written


SECRET_FIELDS = "password passwd new_password Email secret client_secret SECRET_KEY api_key token"
SECRET_FIELDS += " csrf_token Authorization Cookie Set-Cookie salt otp ssn cvv certificate"


@asvs("16.2.5")
def test_a_field_whose_name_promises_a_secret_is_blanked(app: Flask, log: Log) -> None:
    log()
    fields = dict.fromkeys(SECRET_FIELDS.split(), "canary")
    app.logger.warning("something", extra={**fields, "harmless": "shown"})
    (line,) = log()
    assert {name: line[name] for name in fields} == dict.fromkeys(fields, "[redacted]")
    assert line["harmless"] == "shown"


@asvs("16.2.5")
def test_the_keys_are_blanked_wherever_they_occur(make_app: Callable[..., Flask], log: Log) -> None:
    keys = [secrets.token_urlsafe(48) for _ in range(3)]
    app = make_app(SECRET_KEY=keys[0], SECRET_KEY_FALLBACKS=",".join(keys[1:]))
    log()
    for key in keys:
        try:
            raise RuntimeError(f"cannot sign with {key}")
        except RuntimeError:
            app.logger.exception("key %s", key, extra={"harmless": [key], "other": {"a": key}})
    lines = log()
    assert len(lines) == 3
    assert not [key for key in keys if key in json.dumps(lines)]
    assert all(line["event"] == "key [redacted]" for line in lines)
    assert all("cannot sign with [redacted]" in line["exception"] for line in lines)


def test_a_value_that_json_does_not_know_is_written_as_text(app: Flask, log: Log) -> None:
    log()
    app.logger.warning(
        "odd", extra={"when": now(), "what": {1, 2}, "bytes": b"\n", "nan": float("nan")}
    )
    (line,) = log()
    assert line["what"] == "{1, 2}"


def test_a_log_that_cannot_be_written_ends_no_request(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    class FullDisk(StringIO):
        def write(self, text: str) -> int:
            raise OSError(ENOSPC, "No space left on device")

    monkeypatch.setattr(sys, "stderr", FullDisk())
    assert browser.get("/healthz").status_code == 200


# --- Start-up


def test_start_up_notices_lines_that_are_not_json(app: Flask) -> None:
    assert list(check(app)) == []
    root = logging.getLogger()
    handlers = list(root.handlers)
    root.handlers.clear()
    try:
        assert [line for line in check(app) if "not JSON" in line]
    finally:
        root.handlers[:] = handlers


def test_start_up_notices_events_that_are_not_logged(app: Flask) -> None:
    app.logger.setLevel(logging.ERROR)
    try:
        assert [line for line in check(app) if "security events are not logged" in line]
    finally:
        app.logger.setLevel(logging.INFO)
