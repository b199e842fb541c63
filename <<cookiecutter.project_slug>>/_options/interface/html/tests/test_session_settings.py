"""How long sessions last, as the operator sets it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import update

from app.auth.models import Session
from app.database import db, now
from app.session_settings import ABSOLUTE_TIMEOUT, IDLE_TIMEOUT, LONGEST
from app.settings import ConfigurationError
from tests.browser import Browser, account
from tests.marks import asvs, practice, slow

pytestmark = practice("auth.sessions")

IDLE, ABSOLUTE = "SESSION_IDLE_TIMEOUT", "SESSION_ABSOLUTE_TIMEOUT"
NO_TIME = "{} is {!r}; write 30 minutes, 12 hours or 14 days, for example"
OUT = {
    IDLE: f"{IDLE} must be 5 minutes or more, and no longer than {ABSOLUTE}",
    ABSOLUTE: f"{ABSOLUTE} must be from 5 minutes to 30 days",
}


def problems(make_app: Callable[..., Flask], **changes: str) -> list[str]:
    with pytest.raises(ConfigurationError) as refused:
        make_app(**changes)
    return refused.value.problems


@asvs("7.1.1")
def test_session_timeouts_have_the_documented_defaults(app: Flask) -> None:
    lasts = app.config["SETTINGS"].sessions
    assert (lasts.idle, lasts.absolute, lasts.stay) == (IDLE_TIMEOUT, ABSOLUTE_TIMEOUT, None)


@pytest.mark.parametrize("name", [IDLE, ABSOLUTE])
@pytest.mark.parametrize(
    "value",
    ["30", "0 minutes", "-1 hours", "1.5 hours", "12 h", "30 minutes 5", "1 week", "\u0663 days"],
)
def test_start_up_refuses_an_invalid_timeout(
    make_app: Callable[..., Flask], name: str, value: str
) -> None:
    assert problems(make_app, **{name: value}) == [NO_TIME.format(name, value)]


def test_start_up_refuses_a_timeout_out_of_range(make_app: Callable[..., Flask]) -> None:
    assert problems(make_app, **{IDLE: "4 minutes"}) == [OUT[IDLE]]
    assert problems(make_app, **{IDLE: "13 hours"}) == [OUT[IDLE]]
    assert problems(make_app, **{ABSOLUTE: "31 days"}) == [OUT[ABSOLUTE]]
    assert problems(make_app, **{ABSOLUTE: "20 minutes"}) == [OUT[IDLE]]
    assert problems(make_app, **{ABSOLUTE: "1 minute"}) == [OUT[ABSOLUTE], OUT[IDLE]]
    lasts = make_app(**{IDLE: "1 hour", ABSOLUTE: "30 days"}).config["SETTINGS"].sessions
    assert (lasts.idle, lasts.absolute) == (timedelta(hours=1), LONGEST)


@asvs("7.3.1", "7.3.2")
@pytest.mark.parametrize(
    ("column", "age", "alive"),
    [
        ("last_seen_at", timedelta(minutes=9), True),
        ("last_seen_at", timedelta(minutes=11), False),
        ("created_at", timedelta(minutes=59), True),
        ("created_at", timedelta(minutes=61), False),
    ],
)
@slow
def test_a_session_ends_when_the_setting_says(
    app: Flask, make_app: Callable[..., Flask], column: str, age: timedelta, alive: bool
) -> None:
    short = make_app(**{IDLE: "10 minutes", ABSOLUTE: "1 hour"})
    user = Browser(short)
    user.hold_session(account("carol@example.com"), None)
    with short.app_context():
        db.session.execute(update(Session).values({column: now() - age}))
        db.session.commit()
    assert user.is_signed_in() is alive
