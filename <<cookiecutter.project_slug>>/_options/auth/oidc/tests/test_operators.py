"""Pages for operators: what they can do, and that other users cannot."""

from __future__ import annotations

import time
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete, select

from app.auth import account_lock, operator_views
from app.auth.models import User
from app.database import db
from app.secret import Secret
from tests.browser import Browser, csrf_token, html
from tests.marks import asvs, practice, slow
from tests.routes import fingerprint, routes
from tests.statements import listening
from tests.stub import STUB

pytestmark = practice("auth.operator_views")

OPERATORS = {"OIDC_OPERATOR_GROUPS": "admins"}


def arrive(app: Flask, email: str, *groups: str) -> Browser:
    """Sign in at the provider, just now, as a member of these groups."""
    browser = Browser(app)
    browser.email = email
    claims = {"groups": list(groups), "email": email, "auth_time": int(time.time())}
    assert browser.get(STUB.authorize(browser.start(), email, **claims)).status_code == 302
    return browser


@pytest.fixture
def service(app: Flask, make_app: Callable[..., Flask]) -> Flask:
    return make_app(**OPERATORS)


@pytest.fixture
def operator(service: Flask) -> Browser:
    return arrive(service, "olga@example.com", "admins")


def id_of(app: Flask, email: str) -> int:
    with app.app_context():
        return db.session.scalars(select(User.id).where(User.email == Secret(email))).one()


def change(operator: Browser, action: str, account: object, **more: object) -> Any:
    token = csrf_token(operator.get("/account/"), "/auth/logout")
    data = {"csrf_token": token, "account": account, **more}
    return operator.post(f"/operators/{action}", data)


@asvs("1.4.2", "2.2.1", "16.5.3")
@pytest.mark.parametrize("number", ["-1", f"-{2**70}", f"{2**70}", "9" * 5000, "\u0661", "x", ""])
@slow
def test_unusual_numbers_cause_no_server_error(operator: Browser, number: str) -> None:
    assert operator.get("/operators/accounts", query_string={"before": number}).status_code == 200
    for action in ("disable", "enable"):
        assert change(operator, action, number).status_code in (404, 409)
        assert change(operator, action, (BytesIO(b"1"), "a.txt")).status_code == 404


@asvs("8.2.1", "8.3.1", "16.3.2")
def test_nobody_else_gets_into_a_route_for_operators(
    service: Flask, operator: Browser, log: Callable[[], list[dict[str, Any]]]
) -> None:
    mallory = arrive(service, "mallory@example.com", "staff", "Admins", "admin")
    token = csrf_token(mallory.get("/account/"), "/auth/logout")
    before, tried = fingerprint(service), 0
    for route in routes(service):
        if route.endpoint.startswith("operators.") and route.method != "OPTIONS":
            data = {"csrf_token": token, "account": id_of(service, operator.email)}
            answer = mallory.open(route.method, route.path(), data=data)
            assert answer.status_code == 403, route
            assert operator.email not in answer.text
            tried += 1
    assert tried == 4
    assert fingerprint(service) == before
    refused = [line for line in log() if line["event"] == "authz_fail"]
    assert {line["status"] for line in refused} == {403}
    assert len(refused) == tried
    assert operator.get("/operators/accounts").status_code == 200


@asvs("8.2.1")
def test_a_route_that_is_added_is_for_operators_as_well(service: Flask, operator: Browser) -> None:
    service._got_first_request = False
    service.add_url_rule("/operators/new", "operators.new", lambda: "secret")
    assert operator.get("/operators/new").text == "secret"
    assert arrive(service, "mallory@example.com").get("/operators/new").status_code == 403


@asvs("8.3.2")
def test_a_former_operator_has_no_access(service: Flask, operator: Browser) -> None:
    """The provider says so at the next sign-in, and every other session of theirs obeys."""
    arrive(service, operator.email, "staff")
    assert operator.get("/operators/accounts").status_code == 403


def test_the_account_page_links_operators_to_the_accounts(
    service: Flask, operator: Browser
) -> None:
    def link(browser: Browser) -> object:
        return html(browser.get("/account/")).css_first("a[href='/operators/accounts']")

    assert link(operator)
    assert not link(arrive(service, "alice@example.com"))


@asvs("7.4.2")
def test_an_operator_disables_and_enables(service: Flask, operator: Browser) -> None:
    alice = arrive(service, "alice@example.com")
    account = id_of(service, alice.email)
    assert change(operator, "disable", account).status_code == 302
    assert not alice.is_signed_in()
    assert alice.get(STUB.authorize(alice.start(), alice.email)).status_code == 403
    page = html(operator.get("/operators/accounts"))
    (entry,) = [card for card in page.css(".cards li") if alice.email in card.text()]
    assert "disabled" in entry.css_first(".card-title").text()
    assert "its sessions end at once. Its content stays." in page.css_first("main").text()
    assert entry.css_first("form").attributes["action"] == "/operators/enable"
    assert change(operator, "enable", account).status_code == 302
    assert arrive(service, alice.email).is_signed_in()


def test_two_operators_do_the_same(
    service: Flask, operator: Browser, log: Callable[[], list[dict[str, Any]]]
) -> None:
    """The second one is told so, and the owner gets no second mail."""
    account = id_of(service, arrive(service, "alice@example.com").email)
    for action, event in (("disable", "user_disabled"), ("enable", "user_enabled")):
        log()
        for _ in range(2):
            assert change(operator, action, account).status_code == 302
        page = operator.get("/operators/accounts").text
        assert f"alice@example.com is {action}d already." in page
        assert [line["event"] for line in log()].count(event) == 1


def test_an_operator_disables_nobody_who_has_just_been_deleted(
    service: Flask, operator: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the search for the account and its lock."""
    account = id_of(service, arrive(service, "alice@example.com").email)
    lock = account_lock.lock

    def deleted_first(user: User) -> bool:
        with service.app_context():
            db.session.execute(delete(User).where(User.id == account))
            db.session.commit()
        return lock(user)

    token = csrf_token(operator.get("/account/"), "/auth/logout")
    with monkeypatch.context() as patch:
        patch.setattr(account_lock, "lock", deleted_first)
        data = {"csrf_token": token, "account": account}
        assert operator.post("/operators/disable", data).status_code == 404


def test_operators_cannot_disable_themselves(service: Flask, operator: Browser) -> None:
    assert change(operator, "disable", id_of(service, operator.email)).status_code == 409
    assert operator.is_signed_in()
    page = html(operator.get("/operators/accounts"))
    (mine,) = [card for card in page.css(".cards li") if operator.email in card.text()]
    assert mine.css_first("form") is None


@asvs("2.2.1")
@pytest.mark.parametrize("account", ["", "x", "0", "-1", "1e3", "999999", 2**31, 2**64, "1 OR 1=1"])
@slow
def test_an_unknown_account_is_not_found(
    service: Flask, operator: Browser, account: object
) -> None:
    arrive(service, "alice@example.com")
    before = fingerprint(service)
    for action in ("disable", "enable"):
        assert change(operator, action, account).status_code == 404
    assert fingerprint(service) == before


@practice("refusals")
@asvs("16.3.2", "16.3.3")
def test_an_unknown_field_hides_no_denied_access(
    operator: Browser, log: Callable[[], list[dict[str, Any]]]
) -> None:
    log()
    assert change(operator, "disable", 999_999, x="1").status_code == 404
    seen = {(line["event"], line.get("reason")) for line in log() if line["logger"] != "app.access"}
    assert seen == {("input_validation_fail", "unknown field"), ("authz_fail", None)}


@asvs("1.2.1")
def test_claims_of_a_provider_are_shown_as_text(service: Flask, operator: Browser) -> None:
    attack = "<img src=x onerror=alert(1)>"
    browser = Browser(service)
    url = STUB.authorize(browser.start(), "eve@example.com", sub=attack, email=attack)
    assert browser.get(url).status_code == 302
    page = operator.get("/operators/accounts")
    assert html(page).css_first("main img") is None
    assert attack in html(page).css_first("main").text()


def test_a_long_list_has_pages(
    service: Flask, operator: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operator_views, "PAGE", 2)
    for name in ("a", "b", "c"):
        arrive(service, f"{name}@example.com")
    first = html(operator.get("/operators/accounts"))
    assert [title.text().split()[0][0] for title in first.css(".card-title")] == ["c", "b"]
    older = str(first.css_first("nav[aria-label=Pages] a").attributes["href"])
    second = html(operator.get(older))
    assert [title.text().split()[0][0] for title in second.css(".card-title")] == ["a", "o"]
    assert second.css_first("nav[aria-label=Pages]") is None
    for before in ("x", "-1", str(2**64), "%00"):
        assert operator.get(f"/operators/accounts?before={before}").status_code == 200


@asvs("8.2.3", "14.2.4")
def test_the_list_loads_no_password_hash(service: Flask, operator: Browser) -> None:
    """What is not loaded, no mistake in a template can show."""
    statements: list[str] = []

    def record(_connection: Any, _cursor: Any, sql: str, *_: Any) -> None:
        statements.append(sql)

    with listening(service, before_cursor_execute=record):
        assert operator.get("/operators/accounts").status_code == 200
    (listed,) = (sql for sql in statements if "ORDER BY users.id DESC" in sql)
    assert "users.subject" in listed
    assert "password_hash" not in listed
