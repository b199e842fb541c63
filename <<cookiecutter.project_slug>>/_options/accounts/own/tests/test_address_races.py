"""Changes of an address at the same time: each link counts once, and nothing locks up."""

from __future__ import annotations

from functools import partial

from flask import Flask
from sqlalchemy import func, select

from app.auth.models import Session, User
from app.database import db
from tests.account_actions import (
    change_address,
    ready_to_change_address,
    ready_to_confirm_address,
    ready_to_undo_address,
)
from tests.browser import NO_LINK, Browser
from tests.mailbox import mails, newest_token
from tests.marks import asvs, practice, slow
from tests.password_actions import ask_for_reset, set_password
from tests.races import ALICE, at_once

pytestmark = practice("auth.address_change")

NEW, OTHER = "new@example.com", "other@example.com"
NEW_PASSWORD = "kelp-drizzle-9-anvil-tooth"
REQUESTS = 10


def tabs(app: Flask, alice: Browser, number: int = REQUESTS) -> list[Browser]:
    """As many browsers with the session of Alice, each at an address of its own."""
    opened = [Browser(app, f"192.0.2.{n}") for n in range(number)]
    for tab in opened:
        tab.use_credential(alice.credential())
    return opened


def address_of(app: Flask) -> str:
    with app.app_context():
        return db.session.scalars(select(User.email)).one().reveal()


def successes(answers: list[int]) -> int:
    return sum(status < 400 for status in answers)


@asvs("15.4.2")
def test_only_one_of_ten_simultaneous_confirmations_changes_the_address(
    app: Flask, alice: Browser
) -> None:
    assert change_address(alice, NEW).status_code < 400
    token = newest_token(app, NEW)
    calls = [ready_to_confirm_address(tab, token) for tab in tabs(app, alice)]
    answers = sorted(answer.status_code for answer in at_once(*calls))
    assert answers[1:] == [NO_LINK] * (REQUESTS - 1)
    assert answers[0] < 400
    assert address_of(app) == NEW
    assert [mail.kind for mail in mails(app, ALICE)] == ["address_changed"]


@asvs("15.4.2")
def test_only_one_of_two_simultaneously_confirmed_addresses_is_set(
    app: Flask, alice: Browser
) -> None:
    """The second would have its undo in the mailbox of the first, which may be a thief's."""
    calls = []
    for tab, email in zip(tabs(app, alice, 2), (NEW, OTHER), strict=True):
        assert change_address(alice, email).status_code < 400
        calls.append(ready_to_confirm_address(tab, newest_token(app, email)))
    answers = [answer.status_code for answer in at_once(*calls)]
    assert successes(answers) == 1
    assert NO_LINK in answers
    assert [mail.kind for mail in mails(app, ALICE)] == ["address_changed"]


@asvs("15.4.2")
@slow
def test_only_one_of_ten_simultaneous_undo_requests_sets_the_password(
    app: Flask, alice: Browser
) -> None:
    assert change_address(alice, NEW).status_code < 400
    assert ready_to_confirm_address(alice, newest_token(app, NEW))().status_code < 400
    token = newest_token(app, ALICE)
    visitors = [Browser(app, f"192.0.2.{n}") for n in range(REQUESTS)]
    passwords = [f"{NEW_PASSWORD}-{n}" for n in range(REQUESTS)]
    pairs = zip(visitors, passwords, strict=True)
    answers = at_once(*[ready_to_undo_address(it, token, new) for it, new in pairs])
    codes = [answer.status_code for answer in answers]
    assert successes(codes) == 1
    assert codes.count(NO_LINK) == REQUESTS - 1
    (winner,) = [new for code, new in zip(codes, passwords, strict=True) if code < 400]
    assert visitors[0].sign_in(ALICE, winner).status_code < 400
    assert len(mails(app, NEW)) == 2  # its own link, and one notice


@asvs("15.4.2")
@slow
def test_simultaneous_changes_of_an_account_do_not_deadlock(app: Flask, alice: Browser) -> None:
    """A change, another request for one, a reset and a new password take the same rows."""
    for attempt in range(3):
        new = f"new{attempt}@example.com"
        old = address_of(app)
        user = Browser(app, "203.0.113.9")
        assert user.sign_in(old, alice.password).status_code < 400
        assert change_address(user, new).status_code < 400
        assert ask_for_reset(user, old).status_code < 400
        first, second = tabs(app, user, 2)
        answers = at_once(
            ready_to_confirm_address(first, newest_token(app, new)),
            ready_to_change_address(second, f"other{attempt}@example.com"),
            partial(set_password, Browser(app), newest_token(app, old), alice.password),
        )
        assert {answer.status_code for answer in answers} <= {202, 204, 302, NO_LINK, 401, 422}
    with app.app_context():
        assert db.session.scalars(select(func.count()).select_from(Session)).one() <= 4
