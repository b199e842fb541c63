"""The example of a client, against the service."""

from __future__ import annotations

import runpy
import subprocess
import sys
import threading
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request

import pytest
from flask import Flask
from sqlalchemy import select

from app.auth.models import Session
from app.database import db
from tests.browser import ORIGIN, PASSWORD, Browser
from tests.factors import Clock, age_proofs, with_app
from tests.mailbox import mails, newest_token
from tests.resources import NEW_PASSWORD

EXAMPLE = Path(__file__).parents[1] / "examples" / "client.py"
client = runpy.run_path(str(EXAMPLE), run_name="client")
Client, ApiError = client["Client"], client["ApiError"]


class Wire:
    """Carries the requests of ``urllib`` to the service, and remembers them."""

    def __init__(self, app: Flask) -> None:
        self.browser = Browser(app)
        self.seen: list[tuple[str, int]] = []

    def __call__(self, request: Request, timeout: float) -> Any:
        path = request.full_url.removeprefix(ORIGIN)
        response = self.browser.open(
            request.get_method(), path, data=request.data, headers=dict(request.header_items())
        )
        self.seen.append((path.removeprefix("/api/v1"), response.status_code))
        body = BytesIO(response.data)
        if response.status_code >= 400:
            raise HTTPError(path, response.status_code, "Refused", response.headers, body)  # type: ignore[arg-type]
        return body


@pytest.fixture
def wire(app: Flask, alice: Browser) -> Wire:
    return Wire(app)


@pytest.fixture
def signed_in(wire: Wire) -> Any:
    user = Client(ORIGIN, wire)
    user.sign_in("alice@example.com", PASSWORD)
    wire.seen.clear()
    return user


def test_the_client_writes_reads_and_signs_out(signed_in: Any, wire: Wire) -> None:
    row = signed_in.request("POST", "/samples", {"title": "T", "body": "*B*"})
    assert signed_in.request("GET", f"/samples/{row['id']}") == row
    assert signed_in.request("DELETE", f"/samples/{row['id']}") is None
    access = signed_in.access_token
    signed_in.sign_out()
    assert (
        wire.browser.get("/api/v1/me", headers={"Authorization": f"Bearer {access}"}).status_code
        == 401
    )
    assert {status for _, status in wire.seen} <= {200, 201, 204}


def test_an_expired_token_is_replaced_and_the_request_sent_again(
    signed_in: Any, wire: Wire
) -> None:
    signed_in.access_token = "expired"
    assert signed_in.request("GET", "/me")["email"] == "alice@example.com"
    assert wire.seen == [("/me", 401), ("/auth/refresh", 200), ("/me", 200)]


def test_threads_with_an_expired_token_refresh_once(app: Flask, signed_in: Any, wire: Wire) -> None:
    signed_in.access_token = "expired"
    found: list[object] = []

    def work() -> None:
        found.append(signed_in.request("GET", "/me")["email"])

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert found == ["alice@example.com"] * 8
    assert wire.seen.count(("/auth/refresh", 200)) == 1
    with app.app_context():
        assert len(db.session.scalars(select(Session)).all()) == 2  # alice's first one and this


def test_a_sign_in_that_was_ended_is_an_error(
    signed_in: Any, wire: Wire, cli: Callable[..., Any]
) -> None:
    cli("sessions", "revoke", "--all")
    with pytest.raises(ApiError) as refused:
        signed_in.request("GET", "/me")
    assert refused.value.status == 401
    with pytest.raises(ApiError):
        signed_in.request("GET", "/me")
    assert wire.seen == [("/me", 401), ("/auth/refresh", 401), ("/me", 401)]


def test_the_client_waits_as_long_as_retry_after_says(
    signed_in: Any, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[int] = []
    monkeypatch.setattr(client["time"], "sleep", waited.append)
    answers = iter([429, 200])

    def busy(request: Request, timeout: float) -> Any:
        if next(answers) == 429:
            headers = {"Retry-After": "7"}
            raise HTTPError("", 429, "Too many", headers, BytesIO(b"<html>"))  # type: ignore[arg-type]
        return wire(request, timeout)

    signed_in.send = busy
    assert signed_in.request("GET", "/me")["email"] == "alice@example.com"
    assert waited == [7]


def test_the_error_of_the_client_names_each_field(signed_in: Any) -> None:
    with pytest.raises(ApiError) as refused:
        signed_in.request("POST", "/samples", {"title": ""})
    assert {error["pointer"] for error in refused.value.problem["errors"]} == {"#/title", "#/body"}


@pytest.mark.parametrize("address", ["http://service.test", "ftp://service.test", "service.test"])
def test_the_client_sends_nothing_over_plain_http(address: str) -> None:
    with pytest.raises(ValueError, match="https://"):
        Client(address)


def test_a_redirect_is_not_followed() -> None:
    request = Request(f"{ORIGIN}/api/v1/me", headers={"Authorization": "Bearer x"})  # noqa: S310
    follow = client["NoRedirect"]().redirect_request
    assert follow(request, None, 302, "Found", {}, "https://evil.example/") is None
    assert [type(it).__name__ for it in Client(ORIGIN).send.__self__.handlers].count("NoRedirect")


@pytest.fixture
def program(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Run the program with these arguments; it is told ``answers`` when it asks."""
    monkeypatch.setitem(client["main"].__globals__, "Client", lambda url: Client(url, wire))

    def run(*arguments: str, answers: Callable[[str], str] = lambda prompt: PASSWORD) -> None:
        monkeypatch.setattr(sys, "argv", ["client.py", *arguments])
        monkeypatch.setattr(client["getpass"], "getpass", lambda prompt="": answers(prompt))
        client["main"]()

    return run


def test_the_program_runs_the_documented_commands(
    program: Callable[..., None], wire: Wire, capsys: pytest.CaptureFixture[str]
) -> None:
    program(ORIGIN, "alice@example.com")
    assert "alice@example.com" in capsys.readouterr().out
    assert [path for path, _ in wire.seen] == ["/auth/token", "/me", "/auth/logout"]
    assert wire.seen[-1] == ("/auth/logout", 204)


@pytest.mark.parametrize(
    ("first", "email", "steps"),
    [
        ("register", "carol@example.com", [("/auth/register", 202), ("/auth/confirm", 200)]),
        ("forgot", "alice@example.com", [("/auth/forgot", 202), ("/auth/reset", 204)]),
    ],
)
def test_the_program_sets_a_password_by_a_mailed_code(
    app: Flask,
    program: Callable[..., None],
    wire: Wire,
    capsys: pytest.CaptureFixture[str],
    first: str,
    email: str,
    steps: list[tuple[str, int]],
) -> None:
    def answers(prompt: str) -> str:
        return newest_token(app, email) if prompt.startswith("Code") else NEW_PASSWORD

    program(ORIGIN, email, first, answers=answers)
    assert wire.seen[:3] == [*steps, ("/auth/token", 200)]
    printed = capsys.readouterr()
    assert email in printed.out
    assert NEW_PASSWORD not in printed.out + printed.err
    assert Browser(app).sign_in(email, NEW_PASSWORD).status_code == 200


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((ORIGIN, "alice@example.com", "register"), "This code is invalid"),
        ((ORIGIN, "nobody@example.com"), "The e-mail address or the password is wrong."),
        (("http://service.test", "alice@example.com"), "https://"),
        ((ORIGIN, "alice", "forgot"), "name@example.com"),
    ],
)
def test_the_program_reports_refusals_without_a_traceback(
    program: Callable[..., None], arguments: tuple[str, ...], said: str
) -> None:
    with pytest.raises(SystemExit, match=said):
        program(*arguments)


def test_the_program_asks_for_an_existing_second_factor(
    app: Flask,
    alice: Browser,
    program: Callable[..., None],
    wire: Wire,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, secret = Clock(monkeypatch), with_app(app, alice.email)

    def answers(prompt: str) -> str:
        return clock.code(secret) if prompt.startswith("Code of the app") else PASSWORD

    program(ORIGIN, alice.email, answers=answers)
    assert alice.email in capsys.readouterr().out
    assert wire.seen[:2] == [("/auth/token", 401), ("/auth/second-factor", 200)]


def test_the_program_gives_a_fresh_proof(app: Flask, signed_in: Any, wire: Wire) -> None:
    age_proofs(app)
    with pytest.raises(ApiError) as refused:
        signed_in.request("GET", "/me/export")
    assert refused.value.problem["stale"]
    signed_in.prove({"password": PASSWORD})
    assert signed_in.request("GET", "/me/export")["account"]
    paths = [("/me/export", 401), ("/me/step-up", 200), ("/me/export", 200)]
    assert wire.seen == paths  # without a refresh, which would not help


def test_help_says_how_to_call_it() -> None:
    for arguments, status in ((["--help"], 0), ([], 2)):
        result = subprocess.run(
            [sys.executable, EXAMPLE, *arguments], capture_output=True, text=True, check=False
        )
        assert result.returncode == status
        assert "url email" in result.stdout + result.stderr
        assert "Traceback" not in result.stderr


def test_the_device_of_the_client_is_known_after_the_first_sign_in(
    app: Flask, signed_in: Any, program: Callable[..., None]
) -> None:
    def notices(email: str) -> int:
        return [mail.kind for mail in mails(app, email)].count("new_device")

    assert notices("alice@example.com") == 1
    signed_in.sign_out()
    signed_in.sign_in("alice@example.com", PASSWORD)
    assert notices("alice@example.com") == 1

    def answers(prompt: str) -> str:
        return newest_token(app, "carol@example.com") if prompt.startswith("Code") else PASSWORD

    program(ORIGIN, "carol@example.com", "register", answers=answers)
    assert notices("carol@example.com") == 0
