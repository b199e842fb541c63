"""The provider signs somebody in with less than was asked for: one factor, or a sign-in of old.

Its answers are signed, so that only the provider itself, or a user who took a parameter out of the
request on the way, leads to them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import pytest
from flask import Flask
from requests import PreparedRequest, Response
from sqlalchemy import func, select

from app.auth import step_up
from app.auth.models import Session, User
from app.auth.provider_tokens import LEEWAY
from app.database import db, now
from app.settings import ConfigurationError, Settings
from tests.browser import Browser, html
from tests.marks import asvs, practice, slow
from tests.stub import ISSUER, METADATA, STUB, answer, subject_of

pytestmark = practice("auth.identity_provider")

Log = Callable[[], list[dict[str, Any]]]
ALICE = "alice@example.com"
HOUR = 3600
FACTORS, AGE = {"OIDC_ACR_VALUES": "gold  silver"}, {"OIDC_MAX_AGE": str(HOUR)}
METHODS = {"OIDC_AMR_VALUES": "mfa  hwk"}


def arrive(visitor: Browser, **claims: Any) -> Any:
    """Sign in with these claims."""
    return visitor.get(STUB.authorize(visitor.start(), ALICE, **claims))


def asked(visitor: Browser) -> dict[str, list[str]]:
    """What the provider is asked for, besides what each sign-in asks for."""
    query = parse_qs(urlsplit(visitor.start()).query)
    return {name: query[name] for name in ("acr_values", "max_age", "prompt") if name in query}


def seconds_ago(number: float) -> int:
    return int(time.time() - number)


def refused(service: Flask, response: Any, visitor: Browser, log: Log, status: int = 403) -> None:
    """Nobody is signed in, nobody is made, and the log says why."""
    assert response.status_code == status
    assert not visitor.is_signed_in()
    with service.app_context():
        for model in (User, Session):
            assert db.session.scalar(select(func.count()).select_from(model)) == 0
    events = [line for line in log() if line["event"] == "authn_login_fail"]
    assert len(events) == 1
    assert events[0]["reason"].startswith(("acr: ", "amr: ", "auth_time: "))


def test_no_proof_is_requested_by_default(app: Flask, browser: Browser) -> None:
    assert asked(browser) == {}
    assert arrive(browser).status_code == 302


@asvs("6.8.4")
@slow
def test_the_sign_in_request_names_the_required_proof(
    app: Flask, make_app: Callable[..., Flask]
) -> None:
    assert asked(Browser(make_app(**FACTORS))) == {"acr_values": ["gold silver"]}
    assert asked(Browser(make_app(**AGE))) == {"max_age": ["3600"]}
    assert asked(Browser(make_app(**METHODS))) == {}  # nothing can ask for amr


# --- How


@asvs("6.3.3", "6.8.4")
def test_one_of_the_values_is_enough(app: Flask, make_app: Callable[..., Flask]) -> None:
    service = make_app(**FACTORS)
    for acr in ("gold", "silver"):
        visitor = Browser(service)
        assert arrive(visitor, acr=acr).status_code == 302
        assert visitor.is_signed_in()


@asvs("6.3.3", "6.8.4", "16.3.1")
@slow
def test_another_factor_is_not_enough(app: Flask, make_app: Callable[..., Flask], log: Log) -> None:
    service = make_app(**FACTORS)
    texts = (None, "", "bronze", "Gold", "gold silver", "gold  silver", "gol", "gold ")
    for acr in (*texts, ["gold"], {"gold": 1}, True, 1):
        visitor = Browser(service)
        log()
        response = arrive(visitor, acr=acr)
        assert "second factor" in html(response).css_first(".lead").text()
        refused(service, response, visitor, log)


@asvs("6.3.3", "6.8.4")
def test_one_of_the_methods_is_enough(app: Flask, make_app: Callable[..., Flask]) -> None:
    service = make_app(**METHODS)
    for amr in (["mfa"], ["pwd", "hwk"], [1, "otp", "mfa"]):
        visitor = Browser(service)
        assert arrive(visitor, amr=amr).status_code == 302
        assert visitor.is_signed_in()


@asvs("6.3.3", "6.8.4", "16.3.1")
@slow
def test_other_methods_are_not_enough(app: Flask, make_app: Callable[..., Flask], log: Log) -> None:
    service = make_app(**METHODS)
    texts = (None, "", "mfa", "pwd mfa", [], ["pwd"], ["MFA"], ["mfa hwk"], ["mf"], ["mfa "])
    for amr in (*texts, [["mfa"]], {"mfa": 1}, True, 1):
        visitor = Browser(service)
        log()
        response = arrive(visitor, amr=amr)
        assert "second factor" in html(response).css_first(".lead").text()
        refused(service, response, visitor, log)


@asvs("6.8.4")
def test_with_both_settings_both_must_hold(
    app: Flask, make_app: Callable[..., Flask], log: Log
) -> None:
    service = make_app(**FACTORS, **METHODS)
    for claims in ({"acr": "gold", "amr": ["pwd"]}, {"acr": "0", "amr": ["mfa"]}):
        visitor = Browser(service)
        log()
        refused(service, arrive(visitor, **claims), visitor, log)
    visitor = Browser(service)
    assert arrive(visitor, acr="gold", amr=["mfa"]).status_code == 302


def test_without_a_setting_methods_are_not_read(app: Flask, browser: Browser) -> None:
    for amr in (["pwd"], [], "mfa", {"mfa": 1}, True):
        assert arrive(browser, amr=amr).status_code == 302


# --- When


@asvs("6.8.4")
def test_a_sign_in_that_is_young_enough(app: Flask, make_app: Callable[..., Flask]) -> None:
    service = make_app(**AGE)
    for age in (-LEEWAY + 5, 0, HOUR - 5, HOUR + LEEWAY - 5):
        visitor = Browser(service)
        assert arrive(visitor, auth_time=seconds_ago(age)).status_code == 302
        assert visitor.is_signed_in()


@asvs("6.8.4", "7.6.1")
def test_an_old_sign_in_is_not_enough(app: Flask, make_app: Callable[..., Flask], log: Log) -> None:
    """The provider ignores what it is asked for, and may not even say when it was."""
    service = make_app(**AGE)
    for moment in (None, seconds_ago(HOUR + LEEWAY + 5), seconds_ago(24 * HOUR), 0):
        visitor = Browser(service)
        log()
        response = arrive(visitor, auth_time=moment)
        assert "sign in again" in html(response).css_first(".lead").text()
        refused(service, response, visitor, log)


def no_times() -> list[Any]:
    """What providers may send as ``auth_time``, and an attacker would like to be read as one."""
    future, text = seconds_ago(-60), str(seconds_ago(0))
    return [future, text, -1, -1e300, 1e300, float("nan"), float("inf"), True, False, [0], {}, ""]


@asvs("6.8.4", "9.2.1")
@slow
def test_an_invalid_auth_time_is_refused(
    app: Flask, make_app: Callable[..., Flask], log: Log
) -> None:
    service = make_app(**AGE)
    for moment in no_times():
        visitor = Browser(service)
        log()
        refused(service, arrive(visitor, auth_time=moment), visitor, log, 401)


def proof(app: Flask) -> tuple[str, Any]:
    """How and when the user of the newest session has proven it."""
    with app.app_context():
        session = db.session.scalars(select(Session).order_by(Session.id)).all()[-1]
        return session.proof, session.proven_at


@asvs("7.5.3")
@pytest.mark.parametrize("age", [-LEEWAY + 5, 0, HOUR])
def test_the_time_is_kept_with_the_session(app: Flask, browser: Browser, age: int) -> None:
    began, moment = now(), seconds_ago(age)
    assert arrive(browser, auth_time=moment).status_code == 302
    name, proven_at = proof(app)
    assert name == step_up.BY_PROVIDER
    if age > 0:
        assert proven_at.timestamp() == moment
    assert began - timedelta(seconds=max(age, 0) + 1) <= proven_at <= now()  # never in the future


@asvs("7.5.3")
def test_a_sign_in_without_auth_time_is_no_fresh_proof(app: Flask, browser: Browser) -> None:
    """The user may have signed in at the provider days ago, and has not typed anything."""
    assert arrive(browser).status_code == 302
    assert proof(app) == (step_up.BY_PROVIDER, None)
    assert "step-up" in browser.get("/account/delete").headers["Location"]


@asvs("7.5.3")
@slow
def test_an_invalid_auth_time_is_no_fresh_proof(app: Flask, browser: Browser) -> None:
    """Nobody has asked for it, so that the user gets in; as if the provider had named no time."""
    for moment in no_times():
        assert arrive(browser, auth_time=moment).status_code == 302
        assert proof(app) == (step_up.BY_PROVIDER, None)
        assert "step-up" in browser.get("/account/delete").headers["Location"]


# --- Where it is said


@asvs("6.8.2", "6.8.4")
@pytest.mark.parametrize(
    "settings", [FACTORS, METHODS, AGE, {}], ids=["acr", "amr", "auth_time", ""]
)
def test_proof_is_read_from_the_id_token_only(
    app: Flask,
    make_app: Callable[..., Flask],
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, str],
) -> None:
    """Userinfo is not signed, and is not about this sign-in."""
    monkeypatch.setitem(METADATA, "userinfo_endpoint", f"{ISSUER}/userinfo")
    send = STUB.send
    said = {"sub": subject_of(ALICE), "email": ALICE, "acr": "gold", "amr": ["mfa"]}
    said |= {"auth_time": seconds_ago(0), "sid": "x"}

    def reply(request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        if urlsplit(str(request.url)).path == "/userinfo":
            return answer(request, 200, json.dumps(said))
        return send(request, *args, **kwargs)

    monkeypatch.setattr(STUB, "send", reply)
    service = make_app(**settings)
    visitor = Browser(service)
    response = arrive(visitor, email=None, acr=None, amr=None, auth_time=None)
    assert response.status_code == (403 if settings else 302)
    if not settings:
        assert proof(service) == (step_up.BY_PROVIDER, None)
        with service.app_context():
            assert db.session.scalars(select(Session)).one().provider_sid is None
            assert db.session.scalars(select(User)).one().email == ALICE  # it was asked


# --- The settings


@pytest.mark.parametrize(
    "value", ["0", "59", "-60", "1h", "6.5e3", "120.0", "9" * 9, "\u0661\u0662\u0663"]
)
def test_an_invalid_max_age_is_an_error(environment: dict[str, str], value: str) -> None:
    with pytest.raises(ConfigurationError, match=r"OIDC_MAX_AGE is .* write seconds, 60 or more"):
        Settings.from_environment({**environment, "OIDC_MAX_AGE": value})


@pytest.mark.parametrize("value", ["gold,silver", "gold, silver", "g\u00f6ld"])
def test_invalid_acr_and_amr_values_are_errors(environment: dict[str, str], value: str) -> None:
    for name in ("OIDC_ACR_VALUES", "OIDC_AMR_VALUES"):
        with pytest.raises(ConfigurationError, match=rf"{name} has .* spaces in between"):
            Settings.from_environment({**environment, name: value})


def test_the_settings_may_be_empty(environment: dict[str, str]) -> None:
    none = {"OIDC_ACR_VALUES": " ", "OIDC_AMR_VALUES": " ", "OIDC_MAX_AGE": ""}
    oidc = Settings.from_environment({**environment, **none}).oidc
    assert (oidc.acr_values, oidc.amr_values, oidc.max_age) == ((), (), None)
    some = {"OIDC_ACR_VALUES": "urn:example:gold 2", "OIDC_MAX_AGE": "60"} | METHODS
    oidc = Settings.from_environment({**environment, **some}).oidc
    assert (oidc.acr_values, oidc.max_age) == (("urn:example:gold", "2"), 60)
    assert oidc.amr_values == ("mfa", "hwk")


# --- Of which provider


@asvs("10.2.2")
@pytest.mark.parametrize("promised", [True, False, None])
@pytest.mark.parametrize(
    ("iss", "taken"), [(ISSUER, True), (f"{ISSUER}/", False), ("https://evil.example", False)]
)
def test_an_answer_that_names_another_provider_is_refused(
    app: Flask,
    browser: Browser,
    log: Log,
    monkeypatch: pytest.MonkeyPatch,
    promised: bool | None,
    iss: str,
    taken: bool,
) -> None:
    """Mix-up (RFC 9207): also where the metadata of our provider do not promise the name."""
    name = "authorization_response_iss_parameter_supported"
    metadata = {**METADATA, name: promised}
    monkeypatch.setattr(app.extensions["oidc"], "metadata", lambda: metadata)
    path, _, query = STUB.authorize(browser.start(), ALICE).partition("?")
    sent = urlencode({**dict(parse_qsl(query)), "iss": iss})
    response = browser.get(f"{path}?{sent}")
    assert response.status_code == (302 if taken else 401)
    assert browser.is_signed_in() is taken
    reasons = [line["reason"] for line in log() if line["event"] == "authn_login_fail"]
    assert reasons == ([] if taken else [f"iss of the answer: {iss!r}"])
