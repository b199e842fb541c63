"""The provider ends a session while the sign-in that it belongs to is in flight here."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from app.auth import identity, pending, provider_logouts, round_trip
from app.auth.claims import Claims
from app.auth.models import Session
from app.auth.outbound import in_time
from app.auth.provider_logouts import CLOCKS, KEPT, ProviderLogout, remember
from app.auth.provider_tokens import LOGOUT_EVENT
from app.database import db, now
from tests.browser import Browser
from tests.marks import asvs, practice
from tests.overtaking import Overtaking
from tests.races import ALICE, TIMEOUT, at_once, count
from tests.stub import STUB, subject_of

pytestmark = practice("auth.backchannel_views")

SUBJECT = subject_of(ALICE)
NAMES = [{"sub": SUBJECT}, {"sid": "s1"}, {"sub": SUBJECT, "sid": "s1"}]
OTHERS = [{"sub": "another"}, {"sid": "another"}, {"sub": SUBJECT, "sid": "another"}]
MOMENT = 1  # seconds that a request waits for one which waits for its commit


@pytest.fixture
def elsewhere(make_app: Callable[..., Flask], environment: dict[str, str]) -> Flask:
    """Another instance of the service."""
    return make_app(SECRET_KEY=environment["SECRET_KEY"])


def logout(app: Flask, names: dict[str, str], jti: str = "1") -> int:
    """The provider sends a logout token; the status of the answer."""
    token = STUB.sign(**names, events={LOGOUT_EVENT: {}}, jti=jti)
    machine, headers = Browser(app, "192.0.2.200"), {"Sec-Fetch-Site": None, "Origin": None}
    sent = machine.post("/auth/backchannel-logout", {"logout_token": token}, headers=headers)
    return sent.status_code


def in_flight(app: Flask) -> tuple[Browser, Callable[[], int]]:
    """Somebody who is back from the provider, and the call that completes the sign-in."""
    visitor = Browser(app)
    path = STUB.authorize(visitor.start(), ALICE, sid="s1")
    return visitor, lambda: visitor.get(path).status_code


def race(
    monkeypatch: pytest.MonkeyPatch,
    pause: tuple[object, str],
    first: Callable[[], int],
    second: Callable[[], int],
    seconds: int = MOMENT,
) -> list[int]:
    """The statuses: the first request reaches the end of a function, where the second overtakes."""
    overtaking = Overtaking()
    module, name = pause
    paused = overtaking.pausing(getattr(module, name), seconds)
    with monkeypatch.context() as patch:
        patch.setattr(module, name, paused)
        return at_once(overtaking.first(first), overtaking.second(second, waits=True))


@asvs("7.4.1", "7.6.1", "15.4.2")
@pytest.mark.parametrize("names", NAMES)
def test_a_logout_during_the_exchange_refuses_the_sign_in(
    app: Flask, elsewhere: Flask, monkeypatch: pytest.MonkeyPatch, names: dict[str, str]
) -> None:
    """The account does not exist yet, and the token comes to another instance."""
    visitor, complete = in_flight(app)
    end = partial(logout, elsewhere, names)
    assert race(monkeypatch, (round_trip, "in_time"), complete, end, 20) == [401, 200]
    assert not visitor.is_signed_in()
    assert count(app, Session) == 0
    assert visitor.register(ALICE).status_code == (401 if names == NAMES[0] else 302)


@asvs("7.6.1", "15.4.2")
@pytest.mark.parametrize("names", NAMES)
def test_a_logout_before_the_commit_of_a_sign_in_ends_its_session(
    app: Flask, elsewhere: Flask, monkeypatch: pytest.MonkeyPatch, names: dict[str, str]
) -> None:
    """It waits until the session is there."""
    visitor, complete = in_flight(app)
    end = partial(logout, elsewhere, names)
    assert race(monkeypatch, (identity, "start_session"), complete, end) == [302, 200]
    assert not visitor.is_signed_in()
    assert count(app, Session) == 0


@asvs("7.6.1", "15.4.2")
@pytest.mark.parametrize("names", NAMES)
def test_a_sign_in_waits_for_a_logout_that_has_begun(
    app: Flask, elsewhere: Flask, monkeypatch: pytest.MonkeyPatch, names: dict[str, str]
) -> None:
    """The logout begins when the code is exchanged, and has not committed."""
    visitor, complete = in_flight(app)
    exchanged, begun = threading.Event(), threading.Event()

    def exchange(call: Callable[[], Any]) -> Any:
        claims = in_time(call)
        exchanged.set()
        assert begun.wait(TIMEOUT)
        return claims

    def begin(issuer: str, claims: Claims) -> None:
        remember(issuer, claims)
        begun.set()
        time.sleep(MOMENT)

    def end() -> int:
        assert exchanged.wait(TIMEOUT)
        return logout(elsewhere, names)

    monkeypatch.setattr(round_trip, "in_time", exchange)
    monkeypatch.setattr(provider_logouts, "remember", begin)
    assert at_once(end, complete) == [200, 401]
    assert not visitor.is_signed_in()


@asvs("15.4.2")
def test_no_order_of_both_leaves_a_session(app: Flask, elsewhere: Flask) -> None:
    for number in range(8):
        visitor, complete = in_flight(app)
        end = partial(logout, elsewhere, NAMES[number % 3], str(number))
        signed_in, ended = at_once(complete, end)
        assert (signed_in in (302, 401), ended) == (True, 200)
        assert not visitor.is_signed_in()


@pytest.mark.parametrize("names", OTHERS)
def test_another_logout_does_not_refuse_the_sign_in(app: Flask, names: dict[str, str]) -> None:
    visitor, complete = in_flight(app)
    assert logout(app, names) == 200
    assert complete() == 302
    assert visitor.is_signed_in()


@pytest.mark.parametrize("names", NAMES)
def test_a_sign_in_that_was_started_later_is_accepted(
    app: Flask, monkeypatch: pytest.MonkeyPatch, names: dict[str, str]
) -> None:
    """A logout that comes again, as one token or another, must not lock the user out."""
    earlier = now() - CLOCKS - timedelta(seconds=2)
    monkeypatch.setattr(provider_logouts, "now", lambda: earlier)
    assert logout(app, names) == 200
    monkeypatch.setattr(provider_logouts, "now", now)
    assert logout(app, names) == 400
    visitor, complete = in_flight(app)
    assert complete() == 302
    assert visitor.is_signed_in()


def test_the_clocks_of_two_instances_may_differ(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that hears of the logout is behind."""
    visitor, complete = in_flight(app)
    behind = now() - CLOCKS + timedelta(seconds=2)
    monkeypatch.setattr(provider_logouts, "now", lambda: behind)
    assert logout(app, {"sid": "s1"}) == 200
    assert complete() == 401
    assert not visitor.is_signed_in()


@asvs("7.6.1")
def test_a_logout_during_a_step_up_refuses_it(app: Flask) -> None:
    browser = Browser(app).sign_up(ALICE)
    path = STUB.authorize(browser.start("/account/step-up"), ALICE, sid="s2")
    assert logout(app, {"sid": "s2"}) == 200
    assert browser.get(path).status_code == 403
    assert browser.is_signed_in()  # in the session of its sign-in, which has not ended
    with app.app_context():
        assert db.session.scalars(select(Session.provider_sid)).one() is None


# --- What is kept


def kept(app: Flask) -> list[ProviderLogout]:
    with app.app_context():
        return list(db.session.scalars(select(ProviderLogout)))


def test_a_logout_is_kept_as_a_hash(app: Flask) -> None:
    for names in NAMES:
        assert logout(app, names, str(names)) == 200
    assert len(kept(app)) == 2
    assert all(len(row.id) == 64 and row.ended_at >= now() - CLOCKS for row in kept(app))


def test_a_logout_is_kept_for_as_long_as_a_sign_in_may_take(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert timedelta(seconds=pending.LIFETIME) + CLOCKS < KEPT
    moments = {"old": now() - KEPT, "recent": now() - KEPT + timedelta(seconds=30)}
    for name, moment in moments.items():
        monkeypatch.setattr(provider_logouts, "now", lambda it=moment: it)
        assert logout(app, {"sid": name}, name) == 200
    later = now() + timedelta(seconds=10)
    monkeypatch.setattr(provider_logouts, "now", lambda: later)
    assert logout(app, {"sid": "new"}, "new") == 200
    assert len(kept(app)) == 2


def test_the_rows_of_sign_ins_are_deleted(app: Flask) -> None:
    """A sign-in makes them, to be waited for; the next logout deletes them."""
    _, complete = in_flight(app)
    assert complete() == 302
    assert len(kept(app)) == 2
    assert logout(app, {"sid": "another"}) == 200
    assert len(kept(app)) == 1
