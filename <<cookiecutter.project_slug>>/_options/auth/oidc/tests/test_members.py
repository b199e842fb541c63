"""Who may sign in, who is an operator, and the account that was made here for emergencies."""

from __future__ import annotations

import secrets
import unicodedata
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from app.auth import account_lock, members
from app.auth.claims import Claims
from app.auth.models import User
from app.database import db, now
from tests.browser import PASSWORD, SAMPLES, Browser, html
from tests.marks import asvs, practice, slow
from tests.races import ALICE, at_once, statuses
from tests.stub import STUB

pytestmark = practice("auth.identity_provider")

Log = Callable[[], list[dict[str, Any]]]


def arrive(visitor: Browser, who: str = "alice@example.com", /, **claims: Any) -> Any:
    """Sign in with these claims."""
    return visitor.get(STUB.authorize(visitor.start(), who, **claims))


def events(log: Log) -> list[str]:
    return [line["event"] for line in log() if line["logger"] == "app.security"]


@asvs("15.2.2")
@pytest.mark.parametrize("email", ["\u0315\u0300" * 20_000, "x" * 20_000, ["a"] * 9999, None, {}])
def test_an_invalid_email_claim_is_not_shown(
    app: Flask, browser: Browser, monkeypatch: pytest.MonkeyPatch, email: object
) -> None:
    """It is not normalized either, which may take minutes: claims contain input of users."""
    original, lengths = unicodedata.normalize, [0]

    def record(form: Any, text: str) -> str:
        lengths.append(len(text))
        return original(form, text[:1000])

    monkeypatch.setattr(unicodedata, "normalize", record)
    assert arrive(browser, email=email).status_code == 302
    assert max(lengths) < 1000
    with app.app_context():
        user = db.session.scalars(select(User)).one()
        assert user.email == user.subject


# --- Groups

STAFF = {"OIDC_ALLOWED_GROUPS": "staff, Domain Admins"}


@asvs("8.2.1")
@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"groups": ["staff"]}, 302),
        ({"groups": ["other", "Domain Admins"]}, 302),
        ({"groups": "staff"}, 302),  # one group alone, as some providers send it
        ({"groups": []}, 403),
        ({"groups": ["Staff"]}, 403),
        ({"groups": ["staff2", "sta", "staff,other"]}, 403),
        ({"groups": "staff, other"}, 403),
        ({"groups": "other staff"}, 403),  # one group, whose name has a space
        ({"groups": None}, 403),
        ({"groups": True}, 403),
        ({"groups": {"staff": True}}, 403),
        ({"groups": [["staff"]]}, 403),
        ({"roles": ["staff"]}, 403),
        ({}, 403),
    ],
    ids=str,
)
def test_only_the_allowed_groups_get_in(
    app: Flask, make_app: Callable[..., Flask], claims: dict[str, Any], status: int
) -> None:
    visitor = Browser(make_app(**STAFF))
    response = arrive(visitor, **claims)
    assert response.status_code == status
    assert visitor.is_signed_in() is (status == 302)
    if status == 403:
        assert "not allowed to use this service" in html(response).css_first(".lead").text()
        with app.app_context():
            assert db.session.scalars(select(User)).all() == []


@pytest.mark.parametrize(
    ("claim", "claims"),
    [
        ("realm_access.roles", {"realm_access": {"roles": ["staff"]}}),  # Keycloak
        ("resource_access.service.roles", {"resource_access": {"service": {"roles": ["staff"]}}}),
        ("roles", {"roles": ["staff"]}),  # Entra ID
        ("hd", {"hd": "staff"}),  # Google: the domain of the organisation
        ("https://id.example/roles", {"https://id.example/roles": ["staff"]}),
    ],
)
def test_the_claim_is_configured(
    app: Flask, make_app: Callable[..., Flask], claim: str, claims: dict[str, Any]
) -> None:
    service = make_app(**STAFF, OIDC_GROUPS_CLAIM=claim)
    assert arrive(Browser(service), **claims).status_code == 302
    other = dict.fromkeys(claims, "x")
    assert arrive(Browser(service), "bob@example.com", **other).status_code == 403


def test_all_users_can_sign_in_when_no_group_is_configured(app: Flask) -> None:
    assert arrive(Browser(app)).status_code == 302


@practice("auth.sessions")
@asvs("8.3.2", "16.3.2")
def test_leaving_the_group_ends_all_sessions(
    app: Flask, make_app: Callable[..., Flask], log: Log
) -> None:
    service = make_app(**STAFF)
    alice, bob = Browser(service), Browser(service, "192.0.2.2")
    assert arrive(alice, groups=["staff"]).status_code == 302
    assert arrive(bob, "bob@example.com", groups=["staff"]).status_code == 302
    log()
    assert arrive(Browser(service, "192.0.2.3"), groups=["former"]).status_code == 403
    assert events(log) == ["authz_fail", "session_revoked"]
    assert not alice.is_signed_in()
    assert bob.is_signed_in()


@practice("auth.operator_views")
@asvs("8.3.2")
def test_the_operator_role_is_decided_at_every_sign_in(
    app: Flask, make_app: Callable[..., Flask], log: Log
) -> None:
    service = make_app(OIDC_OPERATOR_GROUPS="admins")

    def is_operator() -> bool:
        with service.app_context():
            return db.session.scalars(select(User)).one().is_operator

    visitor = Browser(service)
    for groups, expected in ((["staff"], False), (["admins"], True), ([], False)):
        log()
        assert arrive(visitor, groups=groups).status_code == 302
        assert is_operator() is expected
        assert ("Operator" in visitor.get("/account/").text) is expected
        assert ("authz_change" in events(log)) is (groups != ["staff"])


@practice("auth.operator_views")
@asvs("8.2.1")
def test_nobody_is_an_operator_by_default(app: Flask) -> None:
    arrive(Browser(app), groups=["admins", "operator", ""])
    with app.app_context():
        assert not db.session.scalars(select(User)).one().is_operator


# --- Accounts


@pytest.mark.parametrize(
    ("email", "shown"),
    [
        ("Alice@Example.COM", "alice@example.com"),
        ("no address", None),
        ("<script>alert(1)</script>", None),
        (None, None),
        (["alice@example.com"], None),
        ("a" * 300 + "@example.com", None),
        ("alice@example.com\0", None),
    ],
)
def test_only_valid_email_claims_are_used(app: Flask, email: object, shown: str | None) -> None:
    visitor = Browser(app)
    assert arrive(visitor, email=email).status_code == 302
    with app.app_context():
        user = db.session.scalars(select(User)).one()
        name = shown or user.subject.reveal()
        assert user.email == name
    assert f">{name}<" in visitor.get("/account/").text


@asvs("6.8.1")
@pytest.mark.parametrize(
    ("claim", "counts"),
    [(True, True), ("true", True), (None, True), (False, False), ("false", False), (0, False)],
)
def test_an_unverified_email_claim_is_not_used(app: Flask, claim: object, counts: bool) -> None:
    """Anybody may claim it: operators would take the account for another, and mail go astray."""
    arrive(Browser(app), email="boss@example.com", email_verified=claim)
    with app.app_context():
        user = db.session.scalars(select(User)).one()
        assert (user.email == "boss@example.com") is counts
        assert counts or user.email == user.subject


@asvs("10.5.2")
def test_a_new_address_is_the_same_account(app: Flask) -> None:
    visitor = Browser(app)
    arrive(visitor)
    visitor.write("A title of hers")
    subject = {"sub": "another-person"}
    arrive(visitor, email="alice@married.example")
    assert "A title of hers" in visitor.get(SAMPLES).text
    assert "alice@married.example" in visitor.get("/account/").text
    arrive(visitor, **subject)  # the same address, but somebody else
    assert "A title of hers" not in visitor.get(SAMPLES).text


@asvs("10.5.2")
@pytest.mark.parametrize("subject", ["ALICE", "Alice", "alice.", "al ice"])
def test_subjects_are_compared_exactly(app: Flask, subject: str) -> None:
    first, second = Browser(app), Browser(app, "192.0.2.2")
    arrive(first, sub="alice")
    first.write("A title of hers")
    arrive(second, sub=subject)
    with app.app_context():
        expected = {"alice", subject}
        assert set(db.session.scalars(select(User.subject))) == expected


@asvs("15.4.2")
def test_two_first_sign_ins_at_once_make_one_account(app: Flask) -> None:
    visitors = [Browser(app, f"192.0.2.{n}") for n in range(4)]
    paths = [STUB.authorize(it.start(), ALICE, sid=f"s{n}") for n, it in enumerate(visitors)]
    pairs = zip(visitors, paths, strict=True)
    assert statuses(at_once(*(partial(it.get, path) for it, path in pairs))) == [302] * 4
    assert all(it.is_signed_in() for it in visitors)
    with app.app_context():
        assert len(db.session.scalars(select(User)).all()) == 1


@practice("auth.sessions")
@asvs("7.4.2", "15.4.2")
def test_a_user_who_is_disabled_at_this_moment_gets_no_session(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the account was read, and before its session is there."""
    lock_row = account_lock.lock

    def late(user: User) -> bool:
        with app.app_context():
            db.session.scalars(select(User)).one().disabled_at = now()
            db.session.commit()
        return lock_row(user)

    arrive(Browser(app))
    monkeypatch.setattr(account_lock, "lock", late)
    with app.app_context():
        subject = db.session.scalars(select(User.subject)).one()
        claims = Claims({"sub": subject.reveal()})
        assert members.admit(claims, app.extensions["oidc"].settings) is None


def test_accounts_are_named_by_address_or_subject(app: Flask, cli: Callable[..., Any]) -> None:
    one, two = Browser(app), Browser(app, "192.0.2.2")
    arrive(one, sub="one")
    arrive(two, sub="two")  # the same address
    result = cli("users", "disable", "alice@example.com")
    assert result.exit_code == 1
    assert "Several accounts have this address; subjects: one, two." in result.stderr
    assert one.is_signed_in()
    assert cli("users", "disable", "one").exit_code == 0
    assert not one.is_signed_in()
    assert two.is_signed_in()


@practice("rate_limits")
@asvs("2.4.1")
def test_starting_is_limited_by_address(app: Flask) -> None:
    """Each start may ask the provider, and everybody behind one address starts in the morning."""
    visitor = Browser(app)
    statuses = [visitor.post("/auth/login").status_code for _ in range(61)]
    assert statuses == [400] * 60 + [429]  # without a token, which is looked at later
    assert Browser(app, "192.0.2.99").submit("/auth/login", {}).status_code == 302


@practice("rate_limits")
@asvs("2.4.1")
@slow
def test_notices_of_the_provider_are_limited_as_well(app: Flask) -> None:
    machine = Browser(app)
    statuses = [machine.post("/auth/backchannel-logout").status_code for _ in range(601)]
    assert statuses == [400] * 600 + [429]


# --- The emergency account


@asvs("6.3.4")
def test_the_emergency_sign_in_is_off_unless_configured(
    app: Flask, make_app: Callable[..., Flask], cli: Callable[..., Any]
) -> None:
    assert cli("users", "create-operator", "op@example.com", "--password", PASSWORD).exit_code == 0
    for value in (None, "0"):
        visitor = Browser(make_app(EMERGENCY_LOGIN=value))
        page = visitor.get("/auth/login")
        token = html(page).css_first("main input[name=csrf_token]").attributes["value"]
        assert "emergency" not in page.text.lower()
        assert visitor.get("/auth/emergency").status_code == 404
        form = {"email": "op@example.com", "password": PASSWORD, "csrf_token": token}
        assert visitor.post("/auth/emergency", form).status_code == 404
        assert not visitor.is_signed_in()


@asvs("16.3.1", "16.5.2")
def test_an_operator_signs_in_while_the_provider_is_down(
    app: Flask, cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, log: Log
) -> None:
    cli("users", "create-operator", "op@example.com", "--password", PASSWORD)
    monkeypatch.setattr(STUB, "send", None)  # nothing is asked
    log()
    visitor = Browser(app)
    assert visitor.sign_in("op@example.com", PASSWORD).status_code == 302
    assert visitor.is_signed_in()
    assert "Operator" in visitor.get("/account/").text
    lines = log()
    found = [line for line in lines if line["event"] == "authn_emergency_login"]
    assert [line["stage"] for line in found] == ["attempt", "success"]
    assert {line["level"] for line in found} == {"WARNING"}
    assert "op@example.com" not in str(lines)
    assert visitor.sign_out().headers["Location"] == "/"  # and not at the provider


@asvs("6.3.4")
def test_accounts_of_the_provider_cannot_sign_in_by_password(app: Flask) -> None:
    visitor = Browser(app)
    arrive(visitor)
    with app.app_context():
        user = db.session.scalars(select(User)).one()
        user.password_hash = "$argon2id$planted"
        db.session.commit()
    for password in ("", PASSWORD, secrets.token_urlsafe()):
        assert Browser(app).attempt("alice@example.com", password).status_code == 401


def test_a_second_account_of_one_operator_is_refused(app: Flask, cli: Callable[..., Any]) -> None:
    for expected in (0, 1):
        result = cli("users", "create-operator", "op@example.com", "--password", PASSWORD)
        assert result.exit_code == expected
    arrive(Browser(app), "op2@example.com")  # at the provider it may exist as well
    result = cli("users", "create-operator", "op2@example.com", "--password", PASSWORD)
    assert result.exit_code == 0


@asvs("6.8.1")
def test_a_provider_with_an_empty_issuer_opens_no_local_account(
    app: Flask, cli: Callable[..., Any]
) -> None:
    """The local issuer is the empty one, and no provider can be it."""
    cli("users", "create-operator", "op@example.com", "--password", PASSWORD)
    visitor = Browser(app)
    assert arrive(visitor, sub="op@example.com", iss="").status_code == 401
    assert arrive(visitor, sub="op@example.com").status_code == 302
    with app.app_context():
        assert len(db.session.scalars(select(User)).all()) == 2
    assert "Operator" not in visitor.get("/account/").text
