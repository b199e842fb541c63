"""Guesses at one account: their number has an end, and nothing tells whether the account exists."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from app.auth import throttling
from app.auth.models import Decoy, Session, User
from app.database import db, now
from app.secret import Secret
# <% if cookiecutter.auth != "oidc" %>
from app.security.rate_limits import limiter
# <% endif %>
from tests.browser import PASSWORD, SIGNED_IN, Browser
# <% if cookiecutter.auth != "oidc" %>
from tests.conftest import has_redis
# <% endif %>
from tests.marks import asvs, practice, slow
from tests.races import ALICE, at_once
from tests.statements import recorded

pytestmark = practice("auth.throttling")

NOBODY = "nobody@example.com"
# <% if cookiecutter.auth != "oidc" %>
NEW_PASSWORD = "kelp-drizzle-9-anvil-tooth"
# <% endif %>
DAY = 24 * 3600  # seconds


@pytest.fixture
def alice(app: Flask) -> Browser:
    """Somebody with a password."""
    return Browser(app, "203.0.113.1").with_password(ALICE)


@pytest.fixture
def guesser(app: Flask) -> Browser:
    """Somebody who is not signed in; the form is there."""
    guesser = Browser(app, "192.0.2.1")
    guesser.attempt("warm@example.com", "up")
    return guesser


def has_failed(app: Flask, failures: int, seconds: int = 0) -> None:
    """Attempts at every account have failed, the last of them so long ago."""
    values = {"failures": failures, "failed_at": now() - timedelta(seconds=seconds), "refusals": 0}
    with app.app_context():
        for model in (User, Session, Decoy):
            db.session.execute(update(model).values(values))
        db.session.commit()


def counts(app: Flask) -> tuple[int, int]:
    """Failures and refusals of Alice."""
    with app.app_context():
        row = db.session.execute(select(User.failures, User.refusals)).one()
        return row.failures, row.refusals


def shown(response: TestResponse) -> tuple[int, str, list[str]]:
    """What somebody can tell answers apart by: no token and no id, which are new each time."""
    text = re.sub(r'"[\w.-]{30,}"|value="[^"]*"', "...", response.text)
    return response.status_code, text, sorted(name for name, _ in response.headers)


@asvs("6.3.1", "6.3.8")
@slow
def test_after_ten_failures_the_right_password_is_answered_like_a_wrong_one(
    app: Flask, alice: Browser, guesser: Browser
) -> None:
    wrong = shown(guesser.attempt(NOBODY, "wrong"))
    assert wrong[0] == 401
    has_failed(app, throttling.FREE, seconds=20)
    assert shown(guesser.attempt(ALICE, PASSWORD)) == wrong
    assert shown(guesser.attempt(ALICE, "wrong")) == wrong
    assert shown(guesser.attempt(NOBODY, "wrong")) == wrong
    assert counts(app) == (throttling.FREE, 2)
    assert alice.is_signed_in()  # the owner's sessions go on
    has_failed(app, throttling.FREE, seconds=30)
    assert guesser.attempt(ALICE, PASSWORD).status_code == SIGNED_IN
    assert counts(app) == (0, 0)


def test_failures_are_counted_until_one_succeeds(
    app: Flask, alice: Browser, guesser: Browser
) -> None:
    for number in range(1, 4):
        guesser.attempt(ALICE, "wrong")
        assert counts(app) == (number, 0)
    guesser.attempt(NOBODY, "wrong")
    assert counts(app) == (3, 0)
    assert Browser(app, "192.0.2.2").sign_in(ALICE, PASSWORD).status_code == SIGNED_IN
    assert counts(app) == (0, 0)


def test_the_delay_doubles_up_to_a_quarter_of_an_hour() -> None:
    delays = [throttling.delay(number).total_seconds() for number in range(18)]
    assert delays == [0] * 10 + [30, 60, 120, 240, 480, 900, 900, 900]
    assert throttling.delay(10**9) == timedelta(minutes=15)


@asvs("6.3.1")
@slow
def test_a_day_of_guesses_is_about_a_hundred(
    app: Flask, alice: Browser, guesser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the guesser does: here an attempt every ten seconds of a day."""
    account = User(failures=0, refusals=0)
    start = now()
    for second in range(0, DAY, 10):
        monkeypatch.setattr(throttling, "now", lambda: start + timedelta(seconds=second))  # noqa: B023
        throttling.count_failure(account)
    assert 100 <= account.failures <= 112
    assert account.refusals == DAY // 10 - account.failures


def test_an_early_attempt_does_not_extend_the_delay(
    app: Flask, alice: Browser, guesser: Browser
) -> None:
    has_failed(app, 12, seconds=100)
    for _ in range(3):
        guesser.attempt(ALICE, "wrong")
    assert counts(app) == (12, 3)
    with app.app_context():
        assert db.session.scalars(select(User.failed_at)).one() <= now() - timedelta(seconds=100)


@asvs("15.4.2")
def test_only_one_of_simultaneous_guesses_is_checked(app: Flask, alice: Browser) -> None:
    visitors = [Browser(app, f"192.0.2.{number}") for number in range(6)]
    for visitor in visitors:
        visitor.attempt("warm@example.com", "up")
    has_failed(app, throttling.FREE, seconds=60)
    assert not [
        answer
        for answer in at_once(*[partial(it.attempt, ALICE, "wrong") for it in visitors])
        if answer.status_code != 401
    ]
    assert counts(app) == (throttling.FREE + 1, 5)


@asvs("6.3.1")
def test_the_hundredth_failure_is_an_event(
    app: Flask, alice: Browser, guesser: Browser, log: Callable[[], list[dict[str, Any]]]
) -> None:
    for failures, expected in ((98, 0), (99, 1), (100, 0), (199, 1)):
        has_failed(app, failures, seconds=DAY)
        log()
        guesser.attempt(ALICE, "wrong")
        found = [line for line in log() if line["event"] == "authn_login_fail_max"]
        assert len(found) == expected
        assert all(line["failures"] == failures + 1 for line in found)


@asvs("6.3.8")
def test_a_failure_costs_the_database_the_same_whether_the_account_exists(
    app: Flask, alice: Browser, guesser: Browser, new_browser: Callable[..., Browser]
) -> None:
    """Time tells: a write, above all one that waits for the disk, is seen from outside."""
    guesser.attempt(NOBODY, "wrong")  # its decoy is there
    disabled = "disabled@example.com"
    new_browser("203.0.113.8").with_password(disabled)
    with app.app_context():
        db.session.execute(
            update(User).where(User.email == Secret(disabled)).values(disabled_at=now())
        )
        db.session.commit()
    attempts = {
        "unknown": (NOBODY, "wrong"),
        "wrong": (ALICE, "wrong"),
        "disabled": (disabled, PASSWORD),
    }
    for failures, delayed in ((0, False), (throttling.FREE, True)):
        has_failed(app, failures)
        if delayed:
            attempts["right"] = (ALICE, PASSWORD)
        costs = {}
        for name, credentials in attempts.items():
            with recorded(app) as statements:
                assert guesser.attempt(*credentials).status_code == 401
            costs[name] = statements
        assert len({tuple(cost) for cost in costs.values()}) == 1, costs
        assert costs["wrong"][-2:] == ["UPDATE", "COMMIT"]


@slow
def test_names_without_an_account_share_a_bounded_number_of_rows(app: Flask) -> None:
    with app.app_context():
        for number in range(3 * throttling.DECOYS):
            throttling.count_failure(throttling.decoy(Secret(f"name {number}")))
        db.session.commit()
        rows = len(db.session.scalars(select(Decoy)).all())
    assert throttling.DECOYS // 2 < rows <= throttling.DECOYS


def test_simultaneous_failures_create_one_decoy(app: Flask) -> None:
    def fail() -> None:
        with app.app_context():
            throttling.count_failure(throttling.decoy(Secret(NOBODY)))
            db.session.commit()

    at_once(*[fail] * 6)
    with app.app_context():
        assert db.session.scalars(select(Decoy.failures)).one() == 6


# <% if cookiecutter.auth != "oidc" %>
@asvs("6.3.1")
def test_a_stolen_session_guesses_the_password_no_faster(
    app: Flask, alice: Browser, environment: dict[str, str]
) -> None:
    def counted() -> tuple[int, int]:
        with app.app_context():
            row = db.session.scalars(select(Session)).one()
            return row.failures, row.refusals

    assert alice.change_password("wrong", NEW_PASSWORD).status_code == 422
    assert counts(app) == counted() == (1, 0)
    has_failed(app, throttling.FREE)
    assert alice.change_password(PASSWORD, NEW_PASSWORD).status_code == 422
    assert counts(app) == counted() == (throttling.FREE, 1)
    has_failed(app, throttling.FREE, seconds=30)
    with app.app_context():  # a guesser at the sign-in does not keep the owner from a new one
        db.session.execute(update(User).values(failed_at=now(), failures=90))
        db.session.commit()
    assert alice.change_password(PASSWORD, NEW_PASSWORD).status_code < 400
    assert counts(app) == (0, 0)
    if has_redis(environment):
        limiter.storage.reset()


# <% endif %>
@slow
def test_an_operator_lets_the_owner_in_at_once(
    app: Flask, alice: Browser, guesser: Browser, cli: Callable[..., Any]
) -> None:
    has_failed(app, 40)
    assert guesser.attempt(ALICE, PASSWORD).status_code == 401
    result = cli("users", "unlock", "Alice@example.com")
    assert (result.exit_code, result.stdout) == (
        0,
        f"Unlocked {ALICE}; failures: 40, refused attempts: 1.\n",
    )
    assert guesser.attempt(ALICE, PASSWORD).status_code == SIGNED_IN
    assert cli("users", "unlock", NOBODY).exit_code == 1
