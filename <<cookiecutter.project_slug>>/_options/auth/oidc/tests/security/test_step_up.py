"""A stolen session at the routes that ask for a fresh proof, and answers that are none.

The thief has the cookie, and an account of their own at the provider, but not the user's.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import pytest
from flask import Flask
from requests import ConnectionError as NoConnection
from sqlalchemy import func, select, update

from app.auth import authentication, provider_proof, step_up
from app.auth.models import Session, User
from app.auth.provider_tokens import LEEWAY
from app.database import db, now
from app.security.access import is_public, needs_fresh_proof
from app.security.safe_methods import CHANGING
from tests.browser import ORIGIN, PASSWORD, PROFILE, STEP_UP, Browser, csrf_token, html
from tests.marks import asvs, practice
from tests.overtaking import TakenId, and_then
from tests.own_data_actions import DELETED, download, ready_to_delete
from tests.races import at_once, statuses
from tests.resources import RESOURCES
from tests.routes import fingerprint, routes
from tests.stub import STUB, subject_of

pytestmark = practice("auth.step_up")

Log = Callable[[], list[dict[str, Any]]]
MALLORY, OPERATOR = "mallory@example.com", "op@example.com"
# What a stolen session must not do. A new route that changes something is here, or below.
# Then the user comes to the page from which it can be done.
BACK = {
    "deletion.delete": "/account/delete",
    "account.export_data": PROFILE,
    "account.revoke": PROFILE,
    "account.revoke_others": PROFILE,
    "operators.disable": "/operators/accounts",
    "operators.enable": "/operators/accounts",
}
SENSITIVE = BACK.keys()
# To prove it has a proof of its own.
HARMLESS = {"step_up.prove"}
Row = tuple[str, str, str, datetime | None, str | None]


def state(app: Flask) -> list[Row]:
    """The sessions as they are stored."""
    with app.app_context():
        found = db.session.scalars(
            select(Session).order_by(Session.id), execution_options={"unscoped": "a test"}
        )
        return [(s.public_id, s.token_hash, s.proof, s.proven_at, s.provider_sid) for s in found]


def age(app: Flask, proven_at: datetime | None = None) -> list[Row]:
    """Let the proofs of all sessions be old; how the sessions are then."""
    with app.app_context():
        db.session.execute(update(Session).values(proven_at=proven_at))
        db.session.commit()
    return state(app)


@pytest.fixture
def stale(app: Flask, alice: Browser) -> Browser:
    """Alice, who has signed in long ago."""
    age(app)
    return alice


def refused(app: Flask, response: Any, before: list[Row], log: Log, status: int = 403) -> None:
    """The session stays, and is as old as before."""
    assert response.status_code == status
    assert state(app) == before
    failed = [line for line in log() if line["event"].endswith("_fail")]
    assert [line["event"] for line in failed] == [
        "authn_step_up_fail" if status == 403 else "authn_login_fail"
    ]
    assert all(line["reason"] for line in failed)


def answer_to(visitor: Browser, who: str = "", /, path: str = STEP_UP, **claims: Any) -> str:
    """Start it, and sign in at the provider; the answer has not been delivered yet."""
    return STUB.authorize(visitor.start(path), who or visitor.email, **claims)


def changed(path: str, **values: str) -> str:
    """The answer with other parameters."""
    parts = urlsplit(path)
    return f"{parts.path}?{urlencode(dict(parse_qsl(parts.query)) | values)}"


def parameter(path: str, name: str) -> str:
    return dict(parse_qsl(urlsplit(path).query))[name]


def pending(visitor: Browser, put: dict[str, Any] | None = None) -> dict[str, Any]:
    """What the cookie keeps of the last start; ``put`` replaces it, as nobody without the key can."""
    with visitor.client.session_transaction(base_url=ORIGIN) as cookie:
        if put:
            cookie["oidc"] = put
        return dict(cookie.get("oidc", {}))


# --- Which routes


@asvs("7.5.3")
def test_sensitive_routes_ask_for_a_fresh_proof(app: Flask) -> None:
    fresh = {it for it in app.view_functions if needs_fresh_proof(app, it)}
    assert fresh == SENSITIVE
    owned = {endpoint for resource in RESOURCES for endpoint in resource.routes}
    for route in routes(app):
        if route.method in CHANGING and not is_public(app, route.endpoint):
            assert route.endpoint in SENSITIVE | HARMLESS | owned, (
                f"{route}: write @fresh below its route decorator when a stolen session could cost"
                " the user the account or its data by it, and name it in SENSITIVE; otherwise name"
                " it in HARMLESS."
            )


@asvs("7.5.1", "7.5.3")
@pytest.mark.parametrize("minutes", [None, 10.1, 60])
def test_a_stolen_session_cannot_use_sensitive_routes(
    app: Flask, make_app: Callable[..., Flask], minutes: float | None
) -> None:
    service = make_app(OIDC_OPERATOR_GROUPS="admins")
    operator, other = Browser(service), Browser(service)
    for user in (other, operator):
        url = STUB.authorize(user.start(), f"{id(user)}@example.com", groups=["admins"])
        assert user.get(url).status_code == 302
    age(service, minutes and now() - timedelta(minutes=minutes))
    token = csrf_token(operator.get(PROFILE), "/auth/logout")
    before, tried = fingerprint(service), 0
    for route in routes(service):
        if route.endpoint in SENSITIVE and route.method in ("GET", "POST"):
            data = {"csrf_token": token, "account": "1"}
            response = operator.open(route.method, route.path(), data=data)
            assert response.status_code == 302, route
            assert response.headers["Location"] == f"{STEP_UP}?next={BACK[route.endpoint]}"
            tried += 1
    assert tried == len(SENSITIVE) + 1
    assert fingerprint(service) == before


def test_a_fresh_proof_lasts_ten_minutes(app: Flask, alice: Browser) -> None:
    age(app, now() - step_up.FRESH + timedelta(seconds=5))
    assert download(alice).status_code == 200
    age(app, now() - step_up.FRESH - timedelta(seconds=5))
    assert download(alice).status_code == 302


# --- As it should be


@asvs("6.8.4", "7.2.4", "7.5.3")
def test_the_user_goes_on_after_a_new_sign_in_at_the_provider(
    app: Flask, stale: Browser, log: Log
) -> None:
    stolen = stale.credential()
    page = stale.get("/account/delete").headers["Location"]
    log()
    response = stale.get(answer_to(stale, path=page, sid="a new one"))
    assert (response.status_code, response.headers["Location"]) == (302, "/account/delete")
    assert "authn_step_up_success" in [line["event"] for line in log()]
    ((_, _, proof, proven_at, sid),) = state(app)
    assert (proof, sid) == (step_up.BY_PROVIDER, "a new one")
    assert proven_at
    assert now() - proven_at < timedelta(minutes=1)
    assert download(stale).status_code == 200
    thief = Browser(app, "192.0.2.66")
    thief.use_credential(stolen)
    assert not thief.is_signed_in()  # the session has another token now
    assert ready_to_delete(stale)().status_code == DELETED


@asvs("6.8.4")
def test_what_a_step_up_asks_for(app: Flask, make_app: Callable[..., Flask]) -> None:
    service = make_app(OIDC_ACR_VALUES="gold silver", OIDC_MAX_AGE="3600")
    alice = Browser(service).signed_in("alice@example.com")
    query = parse_qs(urlsplit(alice.start(STEP_UP)).query)
    found = {name: query[name] for name in ("prompt", "max_age", "acr_values", "redirect_uri")}
    assert found == {
        "prompt": ["login"],
        "max_age": ["300"],  # 0 is no max_age to some providers, and endless to others
        "acr_values": ["gold silver"],
        "redirect_uri": [f"{ORIGIN}/auth/callback"],  # no other is registered there
    }
    assert 0 < provider_proof.STEP_UP_MAX_AGE < step_up.FRESH.total_seconds()


def test_the_step_up_page_names_the_provider(stale: Browser) -> None:
    page = html(stale.get(STEP_UP)).css_first("main")
    assert "id.service.test" in page.text()
    assert page.css_first("input[type=password]") is None
    assert html(stale.get(PROFILE)).css_first(f"a[href='{STEP_UP}']") is None


@asvs("3.7.2")
@pytest.mark.parametrize(
    "target", ["https://evil.example", "//evil.example", "/\\evil.example", ""]
)
def test_no_open_redirect(stale: Browser, target: str) -> None:
    path = f"{STEP_UP}?{urlencode({'next': target})}"
    assert stale.get(answer_to(stale, path=path)).headers["Location"] == PROFILE


# --- The provider has proven less


@asvs("6.8.4", "7.5.3")
@pytest.mark.parametrize("seconds", [LEEWAY + 2, 600, 86_400])
def test_an_old_auth_time_is_refused_in_a_step_up(
    app: Flask, stale: Browser, log: Log, seconds: int
) -> None:
    """It ignores prompt=login, or the thief takes it out: who is signed in there just comes back."""
    before = state(app)
    answer = answer_to(stale, auth_time=int(time.time()) - seconds)
    log()
    response = stale.get(answer)
    assert "Sign out there" in html(response).css_first(".lead").text()
    refused(app, response, before, log)
    assert stale.get(answer_to(stale)).status_code == 302  # and then it asks


TIMES: dict[str, Any] = {
    "none": None,
    "in the future": 60,
    "a text": "9999999999",
    "true": True,
    "a list": [1],
    "no number": float("nan"),
    "endless": float("inf"),
}


@asvs("6.8.4", "9.2.1")
@pytest.mark.parametrize("value", TIMES.values(), ids=TIMES)
def test_an_invalid_auth_time_is_refused_in_a_step_up(
    app: Flask, stale: Browser, log: Log, value: Any
) -> None:
    before = state(app)
    moment = int(time.time()) + value if type(value) is int else value
    answer = answer_to(stale, auth_time=moment)
    log()
    refused(app, stale.get(answer), before, log)


def test_a_clock_that_is_a_little_slow_is_no_obstacle(app: Flask, stale: Browser) -> None:
    assert stale.step_up(auth_time=int(time.time()) - LEEWAY + 5).status_code == 302


@asvs("6.8.4")
@pytest.mark.parametrize("acr", [None, "silver", ["gold"]], ids=str)
def test_a_weaker_factor_is_refused_in_a_step_up(
    app: Flask, make_app: Callable[..., Flask], log: Log, acr: object
) -> None:
    service = make_app(OIDC_ACR_VALUES="gold")
    alice = Browser(service).signed_in("alice@example.com")
    before = age(service)
    answer = answer_to(alice, acr=acr)
    log()
    response = alice.get(answer)
    assert "second factor" in html(response).css_first(".lead").text()
    refused(service, response, before, log)


# --- The answer is of somebody else


@asvs("6.8.1", "7.5.3")
@pytest.mark.parametrize("claims", [{}, {"email": "alice@example.com"}], ids=["", "her address"])
def test_the_answer_of_another_user(
    app: Flask, stale: Browser, log: Log, claims: dict[str, str]
) -> None:
    """The thief signs in at the provider as another user, who may have no account here."""
    before = state(app)
    answer = answer_to(stale, MALLORY, **claims)
    log()
    response = stale.get(answer)
    assert "as another user" in html(response).css_first(".lead").text()
    refused(app, response, before, log)
    assert stale.is_signed_in()
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(User)) == 1


@asvs("6.8.1")
def test_the_answer_of_another_user_of_this_service(
    app: Flask, stale: Browser, bob: Browser, log: Log
) -> None:
    before = age(app)
    answer = answer_to(stale, bob.email)
    log()
    refused(app, stale.get(answer), before, log)


@asvs("10.2.1", "7.5.3")
def test_a_step_up_started_by_a_thief_is_refused_in_the_browser_of_the_owner(
    app: Flask, stale: Browser, log: Log
) -> None:
    """The thief starts it with the stolen cookie, and sends the user the provider's address."""
    thief = Browser(app, "192.0.2.66")
    thief.email = stale.email
    thief.use_credential(stale.credential())
    before, answer = state(app), answer_to(thief)
    log()
    refused(app, stale.get(answer), before, log, 401)  # the browser that was led there
    assert download(thief).status_code == 302


# --- The answer is to something else


@asvs("10.2.1")
def test_an_answer_is_used_once(app: Flask, stale: Browser, log: Log) -> None:
    answer, kept, cookie = answer_to(stale), pending(stale), stale.cookie()
    assert stale.get(answer).status_code == 302
    before = age(app)
    log()
    refused(app, stale.get(answer), before, log, 401)
    pending(stale, put=kept)
    refused(app, stale.get(answer), before, log, 401)  # it is back, but known as used
    stale.set_cookie(cookie)
    assert stale.get(answer).status_code == 401
    assert not stale.is_signed_in()  # the token of before the proof
    assert state(app) == before


@asvs("10.2.1", "15.4.2")
def test_only_one_of_simultaneous_answers_is_accepted(app: Flask, stale: Browser) -> None:
    answer, cookie = answer_to(stale), stale.cookie()
    tabs = [Browser(app, f"192.0.2.{number}") for number in range(6)]
    for tab in tabs:
        tab.set_cookie(cookie)
    answers = at_once(*(lambda it=it: it.get(answer) for it in tabs))
    assert sorted(statuses(answers)) == [302, 401, 401, 401, 401, 401]


@asvs("7.5.3")
def test_another_session_of_the_user_gains_nothing(app: Flask, stale: Browser, log: Log) -> None:
    """The start is moved into another cookie, as only somebody with the key of cookies could."""
    other = Browser(app, "192.0.2.66")
    assert other.sign_in(stale.email).status_code == 302
    answer = answer_to(stale)
    pending(other, put=pending(stale))
    before = state(app)
    log()
    refused(app, other.get(answer), before, log)
    assert STUB.codes  # and the code was not exchanged


@asvs("7.4.1")
def test_a_session_that_has_ended_meanwhile_stays_ended(app: Flask, stale: Browser) -> None:
    answer = answer_to(stale)
    other = Browser(app, "192.0.2.7")
    assert other.sign_in(stale.email).status_code == 302
    age(app, now())
    other.submit("/account/sessions/revoke-others", {}, page=PROFILE)
    before = state(app)
    assert stale.get(answer).status_code == 401
    assert not stale.is_signed_in()
    assert state(app) == before


@asvs("7.4.1")
def test_a_session_that_ends_while_the_provider_is_asked_stays_ended(
    app: Flask, stale: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer, tokens = answer_to(stale), STUB.tokens

    def slow(*args: Any) -> Any:
        with app.app_context():
            db.session.execute(Session.__table__.delete(), execution_options={"unscoped": "a test"})
            db.session.commit()
        return tokens(*args)

    monkeypatch.setattr(STUB, "tokens", slow)
    assert stale.get(answer).status_code == 401
    assert not stale.is_signed_in()
    assert state(app) == []


@asvs("2.3.1", "7.5.3", "10.2.1")
def test_an_answer_to_a_sign_in_is_refused_in_a_step_up(
    app: Flask, stale: Browser, log: Log
) -> None:
    """A sign-in asks the provider for nothing fresh."""
    before = state(app)
    sign_in = answer_to(stale, path="/auth/login", auth_time=int(time.time()))
    own = answer_to(stale)
    log()
    refused(app, stale.get(sign_in), before, log, 401)
    mixed = changed(own, code=parameter(sign_in, "code"))
    refused(app, stale.get(mixed), before, log)  # PKCE: the verifier does not fit


@asvs("10.2.1", "7.2.4")
def test_an_answer_to_a_step_up_is_refused_in_a_sign_in(
    app: Flask, stale: Browser, log: Log
) -> None:
    before = state(app)
    own = answer_to(stale)
    sign_in = answer_to(stale, path="/auth/login")
    log()
    refused(app, stale.get(own), before, log, 401)
    refused(app, stale.get(changed(sign_in, code=parameter(own, "code"))), before, log, 401)


@asvs("7.5.3")
def test_a_sign_in_without_proof_gives_no_fresh_proof(app: Flask, stale: Browser) -> None:
    assert stale.get(answer_to(stale, path="/auth/login")).status_code == 302
    assert [row[3] for row in state(app)] == [None]
    assert download(stale).status_code == 302


@asvs("16.3.1")
def test_the_user_changes_their_mind(app: Flask, stale: Browser, log: Log) -> None:
    before = state(app)
    answer = changed(answer_to(stale), error="access_denied")
    log()
    refused(app, stale.get(answer), before, log)
    assert stale.is_signed_in()


# --- The account, meanwhile


@asvs("8.3.2")
def test_leaving_the_group_ends_the_session_in_a_step_up(
    app: Flask, make_app: Callable[..., Flask]
) -> None:
    service = make_app(OIDC_ALLOWED_GROUPS="staff")
    alice = Browser(service).signed_in("alice@example.com")
    age(service)
    assert alice.step_up(groups=["former"]).status_code == 403
    assert state(service) == []
    assert not alice.is_signed_in()


@asvs("8.3.2")
def test_a_former_operator_loses_the_role_in_a_step_up(
    app: Flask, make_app: Callable[..., Flask]
) -> None:
    service = make_app(OIDC_OPERATOR_GROUPS="admins")
    olga = Browser(service)
    olga.email = "olga@example.com"
    assert olga.get(answer_to(olga, path="/auth/login", groups=["admins"])).status_code == 302
    assert olga.get("/operators/accounts").status_code == 200
    assert olga.step_up(groups=["staff"]).status_code == 302
    assert olga.get("/operators/accounts").status_code == 403


@asvs("7.4.2")
def test_a_disabled_user_does_not_step_up(
    app: Flask, stale: Browser, cli: Callable[..., Any]
) -> None:
    answer = answer_to(stale)
    assert cli("users", "disable", stale.email).exit_code == 0
    assert stale.get(answer).status_code == 401
    assert state(app) == []


@asvs("16.5.2")
def test_the_session_goes_on_while_the_provider_is_down(
    app: Flask, stale: Browser, own_app: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, answer = state(app), answer_to(stale)

    def fail(*args: Any, **kwargs: Any) -> None:
        raise NoConnection("refused")

    with monkeypatch.context() as patch:
        patch.setattr(STUB, "send", fail)
        assert stale.get(answer).status_code == 503
    assert state(app) == before
    assert stale.is_signed_in()


# --- How often, and emergency accounts


@asvs("2.4.1")
def test_starts_are_limited_by_session(app: Flask, stale: Browser) -> None:
    token = csrf_token(stale.get(STEP_UP))
    tries = [stale.post(STEP_UP, {"csrf_token": token}).status_code for _ in range(6)]
    assert tries == [302] * 5 + [429]
    other = Browser(app)
    assert other.sign_in(stale.email).status_code == 302
    assert other.step_up().status_code == 302  # the owner, beside a thief


@asvs("2.4.1")
def test_a_session_has_no_tries_of_one_that_has_ended(app: Flask, stale: Browser) -> None:
    """SQLite gives it the same id."""
    token = csrf_token(stale.get(STEP_UP))
    assert [stale.post(STEP_UP, {"csrf_token": token}).status_code for _ in range(6)][5] == 429
    stale.sign_out()
    assert stale.sign_in(stale.email).status_code == 302
    assert stale.step_up().status_code == 302


@pytest.fixture
def operator(app: Flask) -> Browser:
    """An emergency account that has signed in long ago."""
    browser = Browser(app).signed_in_with_password(OPERATOR)
    age(app)
    return browser


@asvs("7.2.4", "7.5.3")
def test_an_emergency_account_steps_up_by_password(app: Flask, operator: Browser) -> None:
    stolen = operator.credential()
    assert html(operator.get(STEP_UP)).css_first("main input[type=password]")
    response = operator.submit(STEP_UP, {"password": PASSWORD})
    assert (response.status_code, response.headers["Location"]) == (302, PROFILE)
    assert state(app)[0][2] == step_up.BY_PASSWORD
    assert download(operator).status_code == 200
    operator.use_credential(stolen)
    assert not operator.is_signed_in()


@asvs("7.2.4", "8.2.2", "15.4.2")
@pytest.mark.parametrize("emergency", [False, True], ids=["provider", "password"])
def test_a_proof_is_not_for_the_session_that_has_just_got_the_id(
    app: Flask,
    alice: Browser,
    operator: Browser,
    monkeypatch: pytest.MonkeyPatch,
    emergency: bool,
) -> None:
    """A user ends the session meanwhile: the answer would sign them in as somebody else."""
    thief = operator if emergency else alice
    with app.app_context():
        found = db.session.scalars(select(Session).join(Session.user).order_by(User.issuer))
        by_password, by_provider = found.all()
    mine, other = (by_password, by_provider) if emergency else (by_provider, by_password)
    taken, answer = TakenId(app, mine, other.user_id), answer_to(alice)
    place, name = (authentication, "verify_password") if emergency else (STUB, "tokens")
    with monkeypatch.context() as patch:
        patch.setattr(place, name, and_then(taken, getattr(place, name)))
        if emergency:
            response = operator.submit(STEP_UP, {"password": PASSWORD})
        else:
            response = alice.get(answer)
    assert response.status_code == 401
    assert taken.is_untouched()
    assert not thief.is_signed_in()


@asvs("6.3.1", "7.5.3", "16.3.1")
def test_guesses_at_an_emergency_account_are_counted(
    app: Flask, operator: Browser, log: Log
) -> None:
    before = state(app)
    token = csrf_token(operator.get(STEP_UP))
    log()
    for password in ("", PASSWORD[:-1], OPERATOR):
        answer = operator.post(STEP_UP, {"csrf_token": token, "password": password})
        assert answer.status_code == 401
        assert password in ("", OPERATOR) or password not in answer.text
    assert state(app) == before
    assert [line["event"] for line in log()].count("authn_step_up_fail") == 3
    with app.app_context():
        assert db.session.scalars(select(User)).one().failures == 2
        late = {"failures": 12, "failed_at": now()}
        db.session.execute(update(User).values(**late))
        db.session.commit()
    assert operator.submit(STEP_UP, {"password": PASSWORD}).status_code == 401  # too early
    assert state(app) == before


@asvs("6.3.4")
def test_passwords_are_refused_while_emergency_accounts_are_off(
    app: Flask, operator: Browser, make_app: Callable[..., Flask], environment: dict[str, str]
) -> None:
    service = make_app(EMERGENCY_LOGIN="0", SECRET_KEY=environment["SECRET_KEY"])
    later = Browser(service)
    token = csrf_token(operator.get(STEP_UP))
    later.use_credential(operator.credential())
    before = state(app)
    for response in (
        later.get(STEP_UP),
        later.post(STEP_UP, {"csrf_token": token, "password": PASSWORD}),
    ):
        assert response.status_code == 403
    assert state(app) == before


@asvs("6.8.1")
def test_an_emergency_account_cannot_step_up_at_the_provider(
    app: Flask, operator: Browser, alice: Browser, log: Log
) -> None:
    """Its name may be registered there by anybody."""
    answer = answer_to(alice, OPERATOR, sub=OPERATOR)
    ((public_id, *_), _) = age(app)
    pending(operator, put=pending(alice) | {"session_id": public_id})
    before = state(app)
    log()
    refused(app, operator.get(answer), before, log)


@asvs("6.3.4")
def test_an_account_of_the_provider_cannot_step_up_by_password(app: Flask, stale: Browser) -> None:
    with app.app_context():
        user = db.session.scalars(select(User)).one()
        assert user.subject == subject_of(stale.email)
        user.password_hash = "$argon2id$planted"
        db.session.commit()
    before = state(app)
    response = stale.submit(STEP_UP, {"password": PASSWORD})
    assert response.headers["Location"].startswith("https://id.service.test/authorize?")
    assert state(app) == before
