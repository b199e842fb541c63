"""Second factors, passkeys and fresh proofs, as an app uses the API for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from app.auth import tokens
from app.auth.models import User
from app.database import db
from app.secret import Secret
from app.settings import ConfigurationError
from tests.account_actions import change_address
from tests.accounts import start_session
from tests.authenticator import Authenticator
from tests.browser import API, ORIGIN, PASSWORD, SIGN_IN, Browser
from tests.factor_actions import (
    ALONE,
    APP,
    CODES,
    FACTORS,
    PASSKEYS,
    SECOND_STEP,
    STEP_UP,
    add_passkey,
    begin_app,
    code_step,
    confirm_app,
    is_complete,
    needs_proof,
    needs_second_step,
    new_passkey_options,
    new_recovery_codes,
    passkey_ids,
    passkey_options,
    passkey_step,
    password_step,
    prove_by_code,
    prove_by_passkey,
    prove_by_password,
    remove_app,
    remove_passkey,
    shown_codes,
    step_up_options,
)
from tests.factors import Clock, age_proofs
from tests.marks import asvs, practice
from tests.own_data_actions import download, ready_to_delete

pytestmark = practice("auth.second_factors")

PAIR = {"access_token", "token_type", "expires_in", "refresh_token"}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def set_app_up(browser: Browser, clock: Clock) -> tuple[str, list[str]]:
    """The secret of the app, and the recovery codes."""
    begun, secret = begin_app(browser)
    assert (begun.status_code, set(begun.json)) == (200, {"secret", "uri"})
    assert begun.json["uri"].startswith("otpauth://totp/")
    confirmed = confirm_app(browser, clock.code(secret))
    assert (confirmed.status_code, set(confirmed.json)) == (200, {*PAIR, "recovery_codes"})
    clock.next_step()
    return secret, shown_codes(confirmed)


@asvs("6.3.3", "6.5.1")
def test_an_app_from_set_up_to_removal(app: Flask, alice: Browser, clock: Clock) -> None:
    assert alice.get(FACTORS).json == {"app": False, "passkeys": [], "recovery_codes": 0}
    secret, codes = set_app_up(alice, clock)
    assert len(codes) == 10
    assert alice.get(FACTORS).json == {"app": True, "passkeys": [], "recovery_codes": 10}
    phone = Browser(app, "203.0.113.7")
    first = password_step(phone, alice.email, PASSWORD)
    assert needs_second_step(first)
    assert (first.json["factors"], len(first.json["ticket"])) == (["code"], 43)
    assert first.headers["WWW-Authenticate"] == "Bearer realm=api"
    assert not phone.is_signed_in()
    wrong = code_step(phone, clock.wrong(secret))
    assert (wrong.status_code, needs_second_step(wrong)) == (401, False)
    assert "code is wrong" in wrong.json["detail"]
    second = code_step(phone, clock.code(secret))
    assert is_complete(second)
    assert set(second.json) == {*PAIR, "device_token"}
    assert phone.device_token
    assert phone.is_signed_in()
    assert "ticket is invalid" in code_step(phone, codes[0]).json["detail"]
    renewed = new_recovery_codes(phone)
    assert (renewed.status_code, set(renewed.json)) == (200, {"recovery_codes"})
    assert not set(shown_codes(renewed)) & {*codes}
    assert remove_app(phone).status_code == 204
    assert not alice.is_signed_in()  # protection was taken away: every other session ends
    assert phone.get(FACTORS).json == {"app": False, "passkeys": [], "recovery_codes": 0}
    assert remove_app(phone).status_code == 404
    assert is_complete(phone.sign_in(alice.email))


@pytest.mark.parametrize("named", [True, False])
def test_the_device_that_replaces_the_app_stays_known_if_it_is_named(
    alice: Browser, clock: Clock, named: bool
) -> None:
    """Otherwise its next sign-in would be told as one of a stranger."""
    known = alice.sign_in(alice.email).json["device_token"]
    set_app_up(alice, clock)
    _, secret = begin_app(alice)
    alice.device_token = known if named else ""
    assert confirm_app(alice, clock.code(secret)).status_code == 200
    clock.next_step()
    alice.device_token = known
    assert needs_second_step(password_step(alice, alice.email, PASSWORD))
    again = code_step(alice, clock.code(secret))
    assert is_complete(again)
    assert (again.json["device_token"] is None) == named


@asvs("6.3.3", "6.5.1")
def test_a_passkey_from_set_up_to_removal(app: Flask, alice: Browser) -> None:
    device = Authenticator()
    added = add_passkey(alice, device.create(new_passkey_options(alice)), "My laptop")
    assert added.status_code == 201
    assert set(added.json) == {*PAIR, "recovery_codes", "passkey"}
    (passkey,) = alice.get(FACTORS).json["passkeys"]
    assert passkey == added.json["passkey"]
    assert set(passkey) == {"id", "name", "created_at", "used_at"}
    assert (passkey["name"], passkey["used_at"]) == ("My laptop", None)
    assert added.headers["Location"] == f"{PASSKEYS}/{passkey['id']}"
    assert len(shown_codes(added)) == 10
    phone = Browser(app, "203.0.113.7")
    alone = passkey_step(phone, device.get(passkey_options(phone, alone=True)), alone=True)
    assert is_complete(alone)
    assert set(alone.json) == {*PAIR, "device_token"}
    assert alice.get(FACTORS).json["passkeys"][0]["used_at"] is not None
    tablet = Browser(app, "203.0.113.8")
    first = password_step(tablet, alice.email, PASSWORD)
    assert first.json["factors"] == ["passkey"]
    assert is_complete(passkey_step(tablet, device.get(passkey_options(tablet))))
    assert remove_passkey(tablet, "A" * 22).status_code == 404
    assert remove_passkey(tablet, passkey_ids(tablet)[0]).status_code == 204
    assert not alice.is_signed_in()
    assert not phone.is_signed_in()
    assert is_complete(phone.sign_in(alice.email))


@asvs("7.2.4", "7.5.1", "7.5.3", "10.3.4")
def test_a_stale_session_is_told_what_to_do(app: Flask, alice: Browser) -> None:
    age_proofs(app)
    before = alice.access_token, alice.refresh_token
    for answer in (
        begin_app(alice)[0],
        alice.post(f"{PASSKEYS}/options"),
        change_address(alice, "new@example.com"),
        alice.change_password(PASSWORD, "kelp-drizzle-9-anvil-tooth"),
        ready_to_delete(alice)(),
        download(alice),
    ):
        assert needs_proof(answer)
        challenge = answer.www_authenticate
        assert challenge.type == "bearer"
        assert dict(challenge.parameters) == {
            "realm": "api",
            "error": "insufficient_user_authentication",
            "max_age": "600",
        }
        assert "/api/v1/me/step-up" in answer.json["detail"]
    wrong = prove_by_password(alice, "wrong")
    assert [it["pointer"] for it in wrong.json["errors"]] == ["#/password"]
    assert needs_proof(download(alice))
    proven = prove_by_password(alice, PASSWORD)
    assert (proven.status_code, set(proven.json)) == (200, PAIR)
    assert download(alice).status_code == 200
    thief = Browser(app, "203.0.113.7")  # who has copied the tokens before
    thief.access_token, thief.refresh_token = before
    assert download(thief).status_code == 401
    assert not needs_proof(download(thief))
    assert thief.refresh().status_code == 401
    assert alice.is_signed_in()  # a copy from before the proof ends nothing
    assert alice.refresh().status_code == 200
    assert download(alice).status_code == 200  # the proof is the session's, and not used up


@asvs("7.5.1")
def test_only_the_second_factor_is_a_fresh_proof_where_one_exists(
    app: Flask, alice: Browser, clock: Clock
) -> None:
    secret, codes = set_app_up(alice, clock)
    assert download(alice).status_code == 200  # the first code was a proof
    device = Authenticator()
    assert add_passkey(alice, device.create(new_passkey_options(alice))).status_code == 201
    for prove in (
        lambda: prove_by_code(alice, clock.code(secret)),
        lambda: prove_by_code(alice, codes[0]),
        lambda: prove_by_passkey(alice, device.get(step_up_options(alice))),
    ):
        age_proofs(app)
        assert needs_proof(download(alice))
        assert prove().status_code == 200
        assert download(alice).status_code == 200
    age_proofs(app)
    refused = prove_by_password(alice, PASSWORD)
    assert refused.status_code == 422
    assert "second factor" in refused.json["errors"][0]["detail"]
    assert needs_proof(download(alice))


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#"),
        ({"password": PASSWORD, "code": "123456"}, "#"),
        ({"password": None}, "#"),
        ({"password": 1}, "#/password"),
        ({"code": "123456"}, "#/code"),
        ({"password": "wrong"}, "#/password"),
    ],
    ids=str,
)
def test_an_invalid_proof_is_named_in_the_problem(
    alice: Browser, body: dict[str, Any], pointer: str
) -> None:
    answer = alice.post(STEP_UP, body)
    assert answer.status_code == 422
    assert [it["pointer"] for it in answer.json["errors"]] == [pointer]


@pytest.mark.parametrize("credential", [{}, {"id": 1}, {"response": None}])
def test_an_invalid_passkey_answer_is_refused(
    app: Flask, alice: Browser, credential: dict[str, Any]
) -> None:
    assert new_passkey_options(alice)
    refused = add_passkey(alice, credential)
    assert refused.status_code == 422
    assert [it["pointer"] for it in refused.json["errors"]] == ["#/credential"]
    assert step_up_options(alice)
    assert prove_by_passkey(alice, credential).status_code == 422
    guest = Browser(app, "203.0.113.7")
    assert passkey_options(guest, alone=True)
    assert passkey_step(guest, credential, alone=True).status_code == 401


def test_every_invalid_ticket_gets_the_same_answer(browser: Browser) -> None:
    browser.ticket = "x" * 43
    assert passkey_options(browser) == {}
    answers = [code_step(browser, "123456"), passkey_step(browser, {})]
    answers += [browser.post(f"{SECOND_STEP}/options", {"ticket": ""})]
    for answer in answers:
        assert answer.status_code == 401
        assert answer.json["detail"].startswith("This ticket is invalid")


def test_the_sign_in_says_the_same_to_a_wrong_password(
    app: Flask, alice: Browser, clock: Clock
) -> None:
    """Whether an account has a second factor is told to nobody without the password."""
    set_app_up(alice, clock)
    guest = Browser(app, "203.0.113.7")
    answers = [guest.attempt(name, "wrong").json for name in (alice.email, "x@example.com")]
    for answer in answers:
        assert answer.pop("request_id")
        assert set(answer) == {"type", "title", "status", "detail"}
    assert answers[0] == answers[1]


@asvs("6.3.3")
def test_a_service_that_requires_a_second_factor(
    app: Flask, make_app: Callable[..., Flask], clock: Clock
) -> None:
    app = make_app(SECOND_FACTOR="required")
    alice = Browser(app).signed_in("alice@example.com")
    for path in (f"{API}/me", f"{API}/samples"):
        refused = alice.get(path)
        assert refused.status_code == 403
        assert "requires a second factor" in refused.json["detail"]
    set_app_up(alice, clock)
    assert alice.get(f"{API}/me").status_code == 200
    assert remove_app(alice).status_code == 409
    assert alice.get(FACTORS).json["app"] is True
    device = Authenticator()
    assert add_passkey(alice, device.create(new_passkey_options(alice))).status_code == 201
    assert remove_app(alice).status_code == 204
    assert remove_passkey(alice, passkey_ids(alice)[0]).status_code == 409
    assert alice.get(f"{API}/me").status_code == 200
    assert alice.sign_out().status_code == 204
    bob = Browser(app).signed_in("bob@example.com")
    assert bob.sign_out().status_code == 204  # also without one


# --- The apps that may ask for passkeys


def test_without_a_list_there_are_no_passkeys(
    app: Flask, make_app: Callable[..., Flask], clock: Clock
) -> None:
    app = make_app(PASSKEY_ORIGINS=None)
    alice = Browser(app).signed_in("alice@example.com")
    for path in (f"{PASSKEYS}/options", f"{STEP_UP}/options", f"{ALONE}/options"):
        refused = alice.post(path)
        assert refused.status_code == 403
        assert "PASSKEY_ORIGINS" in refused.json["detail"]
    set_app_up(alice, clock)
    assert alice.get(FACTORS).json["app"] is True


APPS = (
    "https://app.example.com",
    "https://app.example.com:8443",
    f"android:apk-key-hash:{'aB-_' * 10}aB4",
    "ios:bundle-id:com.example.app",
)


@asvs("6.5.1")
@pytest.mark.parametrize("origin", [ORIGIN, *APPS])
def test_only_an_app_on_the_list_may_use_passkeys(
    app: Flask, make_app: Callable[..., Flask], origin: str
) -> None:
    alice = Browser(make_app(PASSKEY_ORIGINS=origin)).signed_in("alice@example.com")
    for other in (ORIGIN, *APPS):
        device = Authenticator(origin=other)
        answer = add_passkey(alice, device.create(new_passkey_options(alice)))
        assert answer.status_code == (201 if other == origin else 422), other


@pytest.mark.parametrize(
    "origin",
    [
        *("*", "null", "https://*", "https://*.example.com", "http://app.example.com"),
        *("https://App.example.com", "https://app.example.com/", "https://app.example.com:443"),
        *("https://app.example.com/path", "https://u@app.example.com", "http://localhost:5173"),
        *("app.example.com", "https://", "android:apk-key-hash:", "android:apk-key-hash:aB-_"),
        *(f"android:apk-key-hash:{'a' * 43}=", "ios:bundle-id:", "ios:bundle-id:app"),
        *("ios:bundle-id:*.example", "android:apk-key-hash-sha256:" + "a" * 43),
    ],
)
def test_a_list_that_is_not_exact_does_not_start(
    make_app: Callable[..., Flask], origin: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_app(PASSKEY_ORIGINS=f"{ORIGIN}, {origin}")
    (problem,) = caught.value.problems
    assert problem.startswith(f"PASSKEY_ORIGINS has {origin!r}; write origins such as https://")


def test_a_page_of_this_machine_may_ask_in_development(make_app: Callable[..., Flask]) -> None:
    settings = {"APP_ENV": "development", "PASSKEY_ORIGINS": "http://localhost:5173"}
    found = make_app(**settings).config["SETTINGS"].passkey_origins
    assert found == ("http://localhost:5173",)
    with pytest.raises(ConfigurationError):
        make_app(APP_ENV="development", PASSKEY_ORIGINS="http://app.example.com")


# --- Limits


@asvs("6.3.1", "6.6.3")
def test_codes_are_limited_by_the_account_whatever_the_ticket(
    app: Flask, alice: Browser, clock: Clock
) -> None:
    secret, _ = set_app_up(alice, clock)
    guests = [Browser(app, f"203.0.113.{number}") for number in range(20, 26)]
    for guest in guests:
        assert needs_second_step(password_step(guest, alice.email, PASSWORD))
    answers = [code_step(guest, clock.wrong(secret)).status_code for guest in guests]
    assert answers == [401] * 5 + [429]
    assert alice.get(FACTORS).status_code == 200  # what runs goes on


@asvs("6.3.1")
def test_fresh_proofs_are_limited_by_the_session(app: Flask, alice: Browser) -> None:
    answers = [prove_by_password(alice, "wrong").status_code for _ in range(6)]
    assert answers == [422] * 5 + [429]
    other = Browser(app, alice.address)
    with app.app_context():
        user = db.session.scalars(select(User).where(User.email == Secret(alice.email))).one()
        pair = tokens.pair(*start_session(user, other.address))
        db.session.commit()
    other.access_token = pair.access_token
    assert prove_by_password(other, PASSWORD).status_code == 200


def test_every_path_is_one_that_the_description_has(browser: Browser) -> None:
    described = browser.get(f"{API}/openapi.json").json["paths"]
    paths = (SIGN_IN, SECOND_STEP, f"{SECOND_STEP}/options", f"{SECOND_STEP}/passkey", ALONE)
    paths += (f"{ALONE}/options", STEP_UP, f"{STEP_UP}/options", f"{STEP_UP}/passkey", FACTORS)
    paths += (APP, CODES, PASSKEYS, f"{PASSKEYS}/options", f"{PASSKEYS}/{{public_id}}")
    for path in paths:
        assert path in described
    problem = browser.get(f"{API}/openapi.json").json["components"]["schemas"]["Problem"]
    assert {"code", "ticket", "factors"} <= problem["properties"].keys()
