"""Whoever has the password and the mailbox guesses the codes of the app: a hundred, not for ever."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from app.auth import throttling
from app.auth.code_guesses import MAX_WRONG
from app.auth.models import User
from app.auth.totp import AuthenticatorApp
from app.database import db
from app.secret import Secret
from tests.browser import PASSWORD, Browser
from tests.factor_actions import (
    begin_app,
    code_step,
    confirm_app,
    is_complete,
    needs_second_step,
    passkey_options,
    passkey_step,
    password_step,
    prove_by_code,
)
from tests.factors import Clock, age_proofs, prove, with_app, with_codes, with_passkey
from tests.mailbox import mails, newest_token
from tests.marks import asvs, practice, slow
from tests.password_actions import ask_for_reset, set_password
from tests.races import ALICE, at_once
from tests.rescue_actions import UNLOCK, use_link
from tests.resources import NEW_PASSWORD

pytestmark = practice("auth.code_guesses")

BOB = "bob@example.com"
THIEF = "203.0.113.66"


@pytest.fixture(autouse=True)
def accounts_of_two(alice: Browser, bob: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """Alice and bob have an account. The limits are off: a thief waits until they end."""
    monkeypatch.setattr("app.security.rate_limits.limiter.enabled", False)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def secret(app: Flask, clock: Clock) -> str:
    """The secret of alice's app."""
    return with_app(app, ALICE)


def between(app: Flask, password: str = PASSWORD, email: str = ALICE) -> Browser:
    """Somebody with the right password, before the second step."""
    browser = Browser(app, THIEF)
    assert needs_second_step(password_step(browser, email, password))
    return browser


def wrong_codes(app: Flask, number: int | None = None, email: str = ALICE) -> int:
    """How many codes of an app were wrong in a row; ``number`` lets it be so many."""
    with app.app_context():
        (theirs,) = db.session.scalars(select(User.id).where(User.email == Secret(email)))
        if number is not None:
            values = update(AuthenticatorApp).values(wrong_codes=number)
            db.session.execute(values.where(AuthenticatorApp.user_id == theirs))
            db.session.commit()
        mine = select(AuthenticatorApp.wrong_codes).where(AuthenticatorApp.user_id == theirs)
        return db.session.scalars(mine).one()


def use_up(app: Flask, clock: Clock, secret: str) -> None:
    """Let the hundredth code in a row be wrong."""
    wrong_codes(app, MAX_WRONG - 1)
    assert not is_complete(code_step(between(app), clock.wrong(secret)))
    assert wrong_codes(app) == MAX_WRONG == 100


@asvs("6.3.1", "6.5.5")
@slow
def test_a_new_password_gives_no_new_guesses(app: Flask, clock: Clock, secret: str) -> None:
    """The thief has the mailbox: each new password would give a hundred guesses."""
    bobs = with_app(app, BOB)
    use_up(app, clock, secret)
    ask_for_reset(Browser(app, THIEF), ALICE)
    set_password(Browser(app, THIEF), newest_token(app, ALICE), NEW_PASSWORD)
    assert wrong_codes(app) == MAX_WRONG
    assert not is_complete(code_step(between(app, NEW_PASSWORD), clock.code(secret)))
    assert is_complete(code_step(between(app, email=BOB), clock.code(bobs)))


@asvs("6.3.1")
def test_the_link_of_the_lock_gives_no_new_guesses(app: Flask, clock: Clock, secret: str) -> None:
    """A hundred wrong codes also lock the password; the link unlocks only the password."""
    with app.app_context():
        db.session.execute(update(User).values(failures=throttling.MAX_FAILURES - 1))
        db.session.commit()
    use_up(app, clock, secret)
    assert not needs_second_step(password_step(Browser(app), ALICE, PASSWORD))
    use_link(Browser(app, THIEF), UNLOCK, newest_token(app, ALICE))
    assert not is_complete(code_step(between(app), clock.code(secret)))


@asvs("6.3.1")
def test_a_right_code_before_the_last_guess_resets_the_count(
    app: Flask, clock: Clock, secret: str
) -> None:
    wrong_codes(app, MAX_WRONG - 1)
    assert is_complete(code_step(between(app), clock.code(secret)))
    assert wrong_codes(app) == 0


def test_a_recovery_code_lets_codes_count_again(app: Flask, clock: Clock, secret: str) -> None:
    """Nobody guesses it. One that is wrong counts for nothing any more."""
    recovery, *_ = with_codes(app, ALICE)
    use_up(app, clock, secret)
    assert not is_complete(code_step(between(app), recovery[:-1]))
    assert wrong_codes(app) == MAX_WRONG
    assert is_complete(code_step(between(app), recovery))
    assert wrong_codes(app) == 0
    assert is_complete(code_step(between(app), clock.code(secret)))


@pytest.mark.parametrize("alone", [False, True], ids=["after the password", "alone"])
def test_a_passkey_lets_codes_count_again_after_the_password(
    app: Flask, clock: Clock, secret: str, alone: bool
) -> None:
    """Alone it proves no password: an owner who comes every day would give a thief new guesses."""
    device = with_passkey(app, ALICE)
    use_up(app, clock, secret)
    browser = Browser(app) if alone else between(app)
    answer = device.get(passkey_options(browser, alone=alone))
    assert is_complete(passkey_step(browser, answer, alone=alone))
    assert wrong_codes(app) == (MAX_WRONG if alone else 0)


def test_an_open_session_continues_and_can_reset_the_count(
    app: Flask, alice: Browser, clock: Clock, secret: str
) -> None:
    prove(app, ALICE, "code")
    age_proofs(app)
    use_up(app, clock, secret)
    assert alice.is_signed_in()
    assert prove_by_code(alice, clock.code(secret)).status_code < 400
    assert wrong_codes(app) == 0


def test_a_new_phone_resets_the_count_of_wrong_codes(
    app: Flask, alice: Browser, clock: Clock, secret: str
) -> None:
    """Its secret is another one, and the session has proven that it is the owner's."""
    prove(app, ALICE, "code")
    use_up(app, clock, secret)
    _, new = begin_app(alice)
    assert confirm_app(alice, clock.code(new)).status_code < 400
    assert wrong_codes(app) == 0


@slow
def test_an_operator_lets_codes_count_again(
    app: Flask, cli: Callable[..., Any], clock: Clock, secret: str
) -> None:
    use_up(app, clock, secret)
    assert "codes locked: yes" in cli("users", "show", ALICE).stdout
    assert cli("users", "unlock", ALICE).exit_code == 0
    assert "codes locked: yes" in cli("users", "show", ALICE).stdout, "the mailbox would do as well"
    assert cli("users", "unlock", "--codes", ALICE).exit_code == 0
    assert "codes locked: no" in cli("users", "show", ALICE).stdout
    assert is_complete(code_step(between(app), clock.code(secret)))


@asvs("6.3.7", "16.3.1", "16.3.3")
def test_the_owner_is_told_once(
    app: Flask, clock: Clock, secret: str, log: Callable[[], list[dict[str, Any]]]
) -> None:
    use_up(app, clock, secret)
    for _ in range(3):
        assert not is_complete(code_step(between(app), clock.wrong(secret)))
    (mail,) = (it for it in mails(app, ALICE) if it.kind == "codes_end")
    assert THIEF in mail.text
    assert not {"{", "}"} & {*mail.subject, *mail.text}
    events = [line for line in log() if line.get("event") == "authn_login_fail_max"]
    assert [line["reason"] for line in events] == ["codes"]
    assert mails(app, BOB) == []


@asvs("15.4.2")
def test_wrong_codes_at_once_are_all_counted(app: Flask, clock: Clock, secret: str) -> None:
    with_app(app, BOB)
    browsers = [between(app) for _ in range(5)]
    wrong = clock.wrong(secret)
    done = at_once(*[lambda it=it: is_complete(code_step(it, wrong)) for it in browsers])
    assert done == [False] * 5
    assert (wrong_codes(app), wrong_codes(app, email=BOB)) == (5, 0)
