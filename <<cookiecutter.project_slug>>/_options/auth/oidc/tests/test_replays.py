"""What counts once is sent again: the provider's answer with a copied cookie, by one or by many."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from flask import Flask
from requests import PreparedRequest, Response
from sqlalchemy import func, insert, select

from app.auth import pending, single_use
from app.auth.single_use import UsedOnce
from app.database import db, now
from app.secret import Secret
from tests.browser import Browser, html
from tests.marks import asvs, practice
from tests.races import at_once
from tests.stub import ISSUER, STUB, answer

pytestmark = practice("auth.identity_provider")

LIMIT = 60  # answers of one address in five minutes, as many as it may start sign-ins


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths for which the provider was asked."""
    paths: list[str] = []
    send = STUB.send

    def record(request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        paths.append(urlsplit(str(request.url)).path)
        return send(request, *args, **kwargs)

    monkeypatch.setattr(STUB, "send", record)
    return paths


def started(browser: Browser) -> tuple[str, str]:
    """Start a sign-in: its state, and the cookie that belongs to it."""
    (state,) = parse_qs(urlsplit(browser.start()).query)["state"]
    return state, browser.cookie()


def answered(state: str, code: str = "made-up", iss: str = ISSUER) -> str:
    """The provider's answer, with a code that it never gave."""
    return f"/auth/callback?{urlencode({'code': code, 'state': state, 'iss': iss})}"


@asvs("10.1.2", "10.2.1")
def test_one_start_asks_the_token_endpoint_once(app: Flask, asked: list[str]) -> None:
    """Each call occupies a thread for seconds, and the provider may block a service that floods it."""
    attacker = Browser(app)
    state, cookie = started(attacker)
    for number in range(20):
        attacker.set_cookie(cookie)
        assert attacker.get(answered(state, f"made-up {number}")).status_code == 401
    assert asked.count("/token") == 1


@asvs("10.2.1", "15.4.2")
def test_many_at_the_same_moment_ask_once(app: Flask, asked: list[str]) -> None:
    state, cookie = started(Browser(app))
    attackers = [Browser(app, f"192.0.2.{number}") for number in range(8)]
    for attacker in attackers:
        attacker.set_cookie(cookie)
    answers = at_once(*(lambda it=it: it.get(answered(state)) for it in attackers))
    assert {response.status_code for response in answers} == {401}
    assert asked.count("/token") == 1


@asvs("10.2.1")
def test_used_values_are_known_to_other_instances(
    app: Flask, make_app: Callable[..., Flask], asked: list[str], environment: dict[str, str]
) -> None:
    here, there = Browser(app), Browser(make_app(SECRET_KEY=environment["SECRET_KEY"]))
    state, cookie = started(here)
    assert here.get(answered(state)).status_code == 401
    there.set_cookie(cookie)
    assert there.get(answered(state)).status_code == 401
    assert asked.count("/token") == 1


def test_a_sign_in_can_be_restarted_after_a_provider_failure(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor = Browser(app)
    url, cookie = visitor.start(), visitor.cookie()
    path = STUB.authorize(url, "alice@example.com")
    send = STUB.send
    with monkeypatch.context() as patch:
        broken = lambda request, *_, **__: (  # noqa: E731 - a function of one line
            answer(request, 503, json.dumps({})) if "/token" in request.url else send(request)
        )
        patch.setattr(STUB, "send", broken)
        response = visitor.get(path)
        assert response.status_code == 503
        assert "sign in again" in html(response).css_first(".lead").text()
    visitor.set_cookie(cookie)
    assert visitor.get(path).status_code == 401
    assert visitor.register("alice@example.com").status_code == 302


@asvs("2.4.1")
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_answers_are_limited_by_address(app: Flask, method: str) -> None:
    attacker = Browser(app)
    statuses = [attacker.open(method, answered(f"made-up {n}")).status_code for n in range(LIMIT)]
    assert set(statuses) == {401}
    refused = attacker.open(method, answered("made-up"))
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 0
    assert Browser(app, "192.0.2.99").register("bob@example.com").status_code == 302


# --- What is kept


def test_used_values_are_stored_as_hashes_per_purpose(app: Flask) -> None:
    with app.app_context():
        assert single_use.use("state", Secret("value"), 600)
        assert single_use.use("logout", Secret("value"), 600)
        db.session.commit()
        assert not single_use.use("state", Secret("value"), 600)
        kept = db.session.scalars(select(UsedOnce)).all()
        assert len(kept) == 2
        assert all(len(row.id) == 64 for row in kept)


@pytest.mark.parametrize("value", ["x" * 100_000, "\0", "\ud800", ""], ids=lambda it: ascii(it[:9]))
def test_a_used_value_can_be_any_text(app: Flask, value: str) -> None:
    """JSON may hold half a surrogate pair."""
    with app.app_context():
        assert single_use.use("logout", Secret(value), 600)
        db.session.commit()
        assert not single_use.use("logout", Secret(value), 600)


def test_a_rollback_leaves_the_value_unused(app: Flask) -> None:
    with app.app_context():
        assert single_use.use("logout", Secret("value"), 600)
        db.session.rollback()
        assert single_use.use("logout", Secret("value"), 600)


def test_used_values_are_stored_longer_than_they_are_valid(app: Flask) -> None:
    visitor = Browser(app)
    began = now()
    assert visitor.register("alice@example.com").status_code == 302
    with app.app_context():
        kept = db.session.scalars(select(UsedOnce)).one()
        assert kept.expires_at > began + timedelta(seconds=pending.LIFETIME)


def test_expired_values_are_deleted_in_small_batches(app: Flask) -> None:
    moments = {f"old {n}": now() - timedelta(seconds=n + 1) for n in range(250)}
    moments["new"] = now() + timedelta(minutes=1)
    with app.app_context():
        rows = [{"id": name, "expires_at": moment} for name, moment in moments.items()]
        db.session.execute(insert(UsedOnce), rows)
        db.session.commit()
        counts = []
        for number in range(4):
            assert single_use.use("state", Secret(f"another {number}"), 600)
            db.session.commit()
            counts.append(db.session.scalar(select(func.count()).select_from(UsedOnce)))
        assert counts == [152, 53, 4, 5]
        assert db.session.get(UsedOnce, "new") is not None
