"""Second factors: every way around them that OWASP's cheat sheet names, and some of ours."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from app.auth import account_lock, links, second_factors, sign_in, step_up, tickets, totp
from app.auth.models import Session, User
from app.auth.recovery_codes import COUNT, RecoveryCode
from app.auth.tickets import MAX_TRIES, Ticket
from app.auth.totp import AuthenticatorApp
from app.commands.users import disable_user
from app.database import db
from app.secret import Secret
from app.security.access import is_public
from tests.account_actions import change_address, confirm_address, undo_address
from tests.authenticator import Authenticator
from tests.browser import ASKED, CHANGED, PASSWORD, PASSWORD_SET, SIGNED_IN, Browser
from tests.factor_actions import (
    add_passkey,
    begin_app,
    code_step,
    confirm_app,
    is_complete,
    needs_proof,
    needs_second_step,
    new_passkey_options,
    new_recovery_codes,
    passkey_ids,
    password_step,
    prove_by_code,
    remove_app,
    remove_passkey,
    shown_codes,
)
from tests.factors import (
    Clock,
    age_tickets,
    asking,
    copy_ticket,
    prove,
    user_of,
    with_app,
    with_codes,
    with_passkey,
)
from tests.flows import RESET
from tests.mailbox import mails, newest_token
from tests.marks import asvs, practice, slow
from tests.overtaking import and_then
from tests.own_data_actions import download
from tests.password_actions import set_password
from tests.races import ALICE, at_once, meeting
from tests.resources import NEW_PASSWORD
from tests.routes import own_path, routes
from tests.statements import recorded

pytestmark = practice("auth.second_factors")

BOB = "bob@example.com"
THIEF = "203.0.113.66"


@pytest.fixture(autouse=True)
def accounts_of_two(alice: Browser, bob: Browser) -> None:
    """Alice and bob have an account."""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def secret(app: Flask, clock: Clock) -> str:
    """The secret of alice's app."""
    return with_app(app, ALICE)


def between(app: Flask, email: str = ALICE, address: str = THIEF) -> Browser:
    """Somebody with the right password, before the second step."""
    browser = Browser(app, address)
    assert needs_second_step(password_step(browser, email, PASSWORD))
    return browser


def count(app: Flask, model: type[Any], email: str = ALICE) -> int:
    with app.app_context():
        mine = select(func.count(model.id)).where(model.user_id == user_of(email).id)
        return db.session.scalars(mine).one()


def user(app: Flask) -> User:
    with app.app_context():
        return user_of(ALICE)


def attempt(browser: Browser, code: str) -> Callable[[], bool]:
    return lambda: is_complete(code_step(browser, code))


@pytest.fixture
def no_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """More attempts than a limit allows, so that what is behind it is seen."""
    monkeypatch.setattr("app.security.rate_limits.limiter.enabled", False)


# --- Passing the second step by


@asvs("6.3.3")
def test_both_steps_sign_in(app: Flask, clock: Clock, secret: str) -> None:
    browser = between(app)
    assert not browser.is_signed_in()
    assert is_complete(code_step(browser, clock.code(secret)))
    assert browser.is_signed_in()


@asvs("2.3.1", "6.3.3", "6.3.4", "8.2.1")
def test_the_password_alone_opens_no_route(app: Flask, alice: Browser, secret: str) -> None:
    """Between the steps, every private route answers as it does to nobody."""
    before = count(app, Session)
    browser = between(app)
    for route in routes(app):
        if is_public(app, route.endpoint) or route.method == "OPTIONS":
            continue
        answer = browser.open(route.method, own_path(app, route, ALICE))
        assert answer.status_code in (302, 400, 401), route
        assert ALICE not in answer.text
        if answer.status_code == 302:
            assert answer.location.startswith("/auth/login"), route
    assert not browser.is_signed_in()
    assert count(app, Session) == before


@asvs("6.3.3")
def test_a_known_device_is_asked_as_well(app: Flask, clock: Clock, secret: str) -> None:
    browser = between(app)
    assert is_complete(code_step(browser, clock.code(secret)))
    browser.sign_out()
    clock.next_step()
    assert needs_second_step(password_step(browser, ALICE, PASSWORD))
    assert not browser.is_signed_in()


@asvs("6.3.3", "6.3.4", "6.4.3")
def test_a_reset_of_the_password_passes_by_no_second_factor(
    app: Flask, clock: Clock, secret: str
) -> None:
    """Whoever has the mailbox has one factor, not two."""
    browser = Browser(app, THIEF)
    assert set_password(browser, RESET.token(app), NEW_PASSWORD).status_code == PASSWORD_SET
    assert not browser.is_signed_in()
    assert needs_second_step(password_step(browser, ALICE, NEW_PASSWORD))
    assert not browser.is_signed_in()
    assert is_complete(code_step(browser, clock.code(secret)))


@asvs("6.3.3", "6.4.3")
def test_an_undone_change_of_address_passes_by_no_second_factor(
    app: Flask, alice: Browser, secret: str
) -> None:
    prove(app, ALICE, "code")
    assert change_address(alice, "new@example.com").status_code == ASKED
    assert confirm_address(alice, newest_token(app, "new@example.com")).status_code < 400
    browser = Browser(app, THIEF)
    assert undo_address(browser, newest_token(app, ALICE), NEW_PASSWORD).status_code < 400
    assert not browser.is_signed_in()
    assert needs_second_step(password_step(browser, ALICE, NEW_PASSWORD))


@asvs("6.3.3")
@pytest.mark.parametrize("code", ["", " ", "000000", "0" * 5000, "\0", "é٣٣٣٣٣", "None", "%", "-1"])
def test_no_other_text_is_a_code(app: Flask, secret: str, code: str) -> None:
    browser = between(app)
    response = code_step(browser, code)
    assert not is_complete(response)
    assert response.status_code < 500
    assert not browser.is_signed_in()


# --- Tickets


@asvs("6.3.3", "6.5.1", "6.6.2")
@slow
def test_a_ticket_is_for_one_account(app: Flask, clock: Clock, secret: str) -> None:
    """The thief has an account here, and sends alice's ticket with the code of the own app."""
    own = with_app(app, BOB)
    codes = with_codes(app, BOB)
    browser = between(app)
    assert not is_complete(code_step(browser, clock.code(own)))
    assert not is_complete(code_step(browser, codes[0]))
    assert not browser.is_signed_in()
    assert count(app, RecoveryCode, BOB) == COUNT
    bobs = between(app, BOB)
    assert not is_complete(code_step(bobs, clock.code(secret)))
    assert is_complete(code_step(bobs, clock.code(own)))
    assert BOB in download_address(bobs)


def download_address(browser: Browser) -> str:
    return str(download(browser).json["account"]["email"])


@asvs("6.5.1")
def test_a_ticket_counts_once(app: Flask, clock: Clock, secret: str) -> None:
    browser, thief = between(app), Browser(app, THIEF)
    copy_ticket(browser, thief)
    assert is_complete(code_step(browser, clock.code(secret)))
    clock.next_step()
    assert not is_complete(code_step(thief, clock.code(secret)))
    assert not thief.is_signed_in()


@asvs("6.5.1", "15.4.2")
def test_a_ticket_counts_once_at_the_same_time(
    app: Flask, clock: Clock, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With two good codes of two steps: only the ticket is the same."""
    codes = with_codes(app, ALICE)
    browser, thief = between(app), Browser(app, THIEF)
    copy_ticket(browser, thief)
    both = [attempt(browser, codes[0]), attempt(thief, clock.code(secret))]
    with monkeypatch.context() as patch:
        patch.setattr(tickets, "count_try", meeting(2, tickets.count_try))
        assert sorted(at_once(*both)) == [False, True]


@asvs("6.5.5")
def test_a_ticket_ends_after_five_minutes(app: Flask, clock: Clock, secret: str) -> None:
    assert timedelta(minutes=5) == tickets.LIFETIME
    browser = between(app)
    age_tickets(app, timedelta(minutes=5, seconds=1))
    assert not is_complete(code_step(browser, clock.code(secret)))
    browser = between(app)
    age_tickets(app, timedelta(minutes=4))
    assert is_complete(code_step(browser, clock.code(secret)))


def change(app: Flask, alice: Browser) -> None:
    prove(app, ALICE, "code")
    assert alice.change_password(PASSWORD, NEW_PASSWORD).status_code == CHANGED


def reset(app: Flask, alice: Browser) -> None:
    browser = Browser(app, "192.0.2.20")
    assert set_password(browser, RESET.token(app), NEW_PASSWORD).status_code == PASSWORD_SET


def disable(app: Flask, alice: Browser) -> None:
    with app.app_context():
        disable_user.main([ALICE], standalone_mode=False)


@asvs("7.4.5")
def test_a_ticket_ends_with_the_sessions_of_everybody(
    app: Flask, clock: Clock, secret: str, cli: Callable[..., Any]
) -> None:
    """A thief who has begun a sign-in would complete it after the operator's answer to a leak."""
    thief = between(app)
    assert cli("sessions", "revoke", "--all").exit_code == 0
    assert not is_complete(code_step(thief, clock.code(secret)))
    assert not thief.is_signed_in()


@asvs("7.4.5", "15.4.2")
def test_a_sign_in_that_is_just_complete_ends_with_the_sessions_of_everybody(
    app: Flask,
    clock: Clock,
    secret: str,
    cli: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The second step comes just before the tickets end: its session must not outlive them."""
    thief, end = between(app), tickets.revoke_all

    def after_the_second_step() -> None:
        assert at_once(attempt(thief, clock.code(secret))) == [True]
        end()

    monkeypatch.setattr(tickets, "revoke_all", after_the_second_step)
    assert cli("sessions", "revoke", "--all").exit_code == 0
    assert not thief.is_signed_in()
    with app.app_context():
        assert db.session.scalars(select(Session)).all() == []


@asvs("6.3.3", "7.4.3", "15.4.2")
@pytest.mark.parametrize("counted", [False, True])
def test_a_ticket_that_has_ended_does_not_count_by_that_of_another_user(
    app: Flask, clock: Clock, secret: str, monkeypatch: pytest.MonkeyPatch, counted: bool
) -> None:
    """The password changes between the steps, and the next ticket gets the same id in SQLite."""
    thief = between(app)

    def end_and_issue() -> None:
        with asking(app):
            (ended,) = db.session.scalars(select(Ticket), execution_options=tickets.OF_ALL)
            db.session.expunge(ended)
            tickets.revoke_all()
            other, _ = tickets.issue("second factor", user_of(BOB))
            other.id = ended.id
            db.session.commit()

    with monkeypatch.context() as patch:
        count_try, found = tickets.count_try, and_then(end_and_issue, lambda ticket: ticket)
        after = and_then(end_and_issue, count_try)
        patch.setattr(tickets, "count_try", after if counted else lambda it: count_try(found(it)))
        assert not is_complete(code_step(thief, clock.code(secret)))
    assert not thief.is_signed_in()
    with app.app_context():
        (left,) = db.session.scalars(select(Ticket), execution_options=tickets.OF_ALL)
        assert (left.user_id, left.tries) == (user_of(BOB).id, 0)


@asvs("6.3.3", "7.4.3")
@pytest.mark.parametrize("ending", [change, reset, disable])
def test_a_ticket_ends_with_the_password_it_was_given_for(
    app: Flask,
    alice: Browser,
    clock: Clock,
    secret: str,
    ending: Callable[[Flask, Browser], None],
) -> None:
    """Otherwise a thief could complete a sign-in that began with the old password."""
    thief = between(app)
    ending(app, alice)
    assert not is_complete(code_step(thief, clock.code(secret)))
    assert not thief.is_signed_in()


@asvs("6.3.3")
def test_a_ticket_is_for_one_purpose(app: Flask, clock: Clock, secret: str) -> None:
    """What a page gives to everybody, or to a signed-in user, is worth nothing here."""
    with asking(app):
        for purpose in ("passkey", "new passkey", "step-up"):
            _, token = tickets.issue(purpose, user(app))
            db.session.commit()
            assert sign_in.by_code(token, Secret(clock.code(secret))) is None
            assert sign_in.passkey_options(token) is None
            assert sign_in.by_passkey("second factor", token, "{}") is None


@asvs("6.3.3")
def test_a_ticket_of_a_session_is_for_that_session(app: Flask, secret: str) -> None:
    with app.app_context():
        sessions = db.session.scalars(select(Session).order_by(Session.id)).all()
    alices, bobs = sessions
    with asking(app):
        _, token = tickets.issue("step-up", alices.user, alices)
        assert tickets.find("step-up", token, alices)
        assert tickets.find("step-up", token, bobs) is None
        assert tickets.find("step-up", token) is None


@asvs("6.5.2", "11.5.1")
def test_a_ticket_is_random_and_stored_as_a_hash(app: Flask, secret: str) -> None:
    with asking(app):
        tokens = {tickets.issue("passkey")[1].reveal() for _ in range(5)}
        db.session.commit()
    with app.app_context():
        stored = {ticket.token_hash for ticket in db.session.scalars(select(Ticket))}
    assert {len(token) for token in tokens} == {43}
    assert len(tokens) == len(stored) == 5
    assert not stored & tokens


# --- Codes: replays and guesses


@asvs("6.5.1")
def test_a_code_counts_once(app: Flask, clock: Clock, secret: str) -> None:
    """An attacker has seen the code, or received it on a phishing page."""
    code = clock.code(secret)
    assert is_complete(code_step(between(app), code))
    thief = between(app)
    assert not is_complete(code_step(thief, code))
    assert not thief.is_signed_in()


@asvs("6.5.1")
def test_an_older_code_is_refused_after_a_newer_one(app: Flask, clock: Clock, secret: str) -> None:
    older, code = clock.code(secret, -1), clock.code(secret)
    assert is_complete(code_step(between(app), code))
    assert not is_complete(code_step(between(app), older))
    clock.next_step()
    assert not is_complete(code_step(between(app), code))
    assert is_complete(code_step(between(app), clock.code(secret)))


@asvs("6.5.1", "15.4.2")
@slow
def test_only_one_of_ten_simultaneous_uses_of_a_code_succeeds(
    app: Flask, clock: Clock, secret: str, no_limits: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    browsers = [between(app, address=f"203.0.113.{number}") for number in range(10)]
    calls = [attempt(browser, clock.code(secret)) for browser in browsers]
    with monkeypatch.context() as patch:
        patch.setattr(tickets, "count_try", meeting(10, tickets.count_try))
        assert sorted(at_once(*calls)) == [False] * 9 + [True]
    assert sum(browser.is_signed_in() for browser in browsers) == 1


@asvs("6.5.5")
@pytest.mark.parametrize(
    ("steps", "done"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)]
)
def test_clocks_may_differ_by_one_step(
    app: Flask, clock: Clock, secret: str, steps: int, done: bool
) -> None:
    assert is_complete(code_step(between(app), clock.code(secret, steps))) == done


@asvs("6.3.1")
def test_a_ticket_has_five_tries(app: Flask, clock: Clock, secret: str, no_limits: None) -> None:
    browser = between(app)
    for _ in range(MAX_TRIES):
        assert not is_complete(code_step(browser, clock.wrong(secret)))
    assert MAX_TRIES == 5
    assert not is_complete(code_step(browser, clock.code(secret)))
    assert is_complete(code_step(between(app), clock.code(secret)))


@asvs("6.3.1", "15.4.2")
def test_tries_at_once_are_all_counted(
    app: Flask, clock: Clock, secret: str, no_limits: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser, number = between(app), 10
    thieves = [Browser(app, f"203.0.113.{n}") for n in range(number)]
    for thief in thieves:
        copy_ticket(browser, thief)
    judged: list[Secret] = []
    with monkeypatch.context() as patch:
        patch.setattr(tickets, "find", meeting(number, tickets.find))
        patch.setattr(second_factors, "check_code", lambda _, code, **__: judged.append(code))
        calls = [attempt(thief, clock.wrong(secret)) for thief in thieves]
        assert at_once(*calls) == [False] * number
    assert len(judged) == MAX_TRIES


@asvs("6.3.1", "2.4.1")
def test_many_tickets_and_addresses_give_no_more_tries(
    app: Flask, alice: Browser, clock: Clock, secret: str
) -> None:
    """Five guesses in five minutes for the account: six digits, three of them valid at once."""
    thieves = [between(app, address=f"203.0.113.{number}") for number in range(7)]
    statuses = [code_step(thief, clock.wrong(secret)).status_code for thief in thieves]
    assert statuses[:5] == [401] * 5
    assert statuses[5:] == [429] * 2
    assert code_step(thieves[6], clock.code(secret)).status_code == 429
    assert alice.is_signed_in()  # what runs goes on
    bobs = with_app(app, BOB)
    assert is_complete(code_step(between(app, BOB), clock.code(bobs)))


@asvs("6.3.1")
def test_a_right_password_keeps_the_count_of_wrong_codes(
    app: Flask, clock: Clock, secret: str, no_limits: None
) -> None:
    for number in range(3):
        assert not is_complete(code_step(between(app), clock.wrong(secret)))
        assert user(app).failures == number + 1
    browser = between(app)
    assert user(app).failures == 3
    assert is_complete(code_step(browser, clock.code(secret)))
    assert user(app).failures == 0


@asvs("6.3.1")
@slow
def test_wrong_codes_delay_the_next_password(
    app: Flask, alice: Browser, clock: Clock, secret: str, no_limits: None
) -> None:
    """Who has the password has no more tickets, however many addresses it has."""
    for number in range(10):
        thief = between(app, address=f"203.0.113.{number}")
        assert not is_complete(code_step(thief, clock.wrong(secret)))
    late = password_step(Browser(app, THIEF), ALICE, PASSWORD)
    assert not needs_second_step(late)
    assert not is_complete(late)
    assert alice.is_signed_in()
    assert prove_by_code(alice, clock.code(secret)).status_code < 400


@asvs("16.3.1")
def test_a_wrong_code_is_logged_and_no_code_is(
    app: Flask, clock: Clock, secret: str, log: Callable[[], list[dict[str, Any]]]
) -> None:
    codes = with_codes(app, ALICE)
    log()
    browser = between(app)
    wrong = clock.wrong(secret)
    assert not is_complete(code_step(browser, wrong))
    assert not is_complete(code_step(browser, codes[0][:-1]))
    assert is_complete(code_step(browser, clock.code(secret)))
    lines = log()
    events = [line.get("event") for line in lines]
    assert events.count("authn_login_fail") == 2
    assert events.count("authn_login_success") == 1
    for text in (wrong, clock.code(secret), codes[0][:-1], secret):
        assert text not in str([{**line, "time": ""} for line in lines])


# --- What tells who has a second factor


@asvs("6.3.8")
@slow
def test_a_wrong_password_does_not_tell_who_has_a_second_factor(app: Flask, secret: str) -> None:
    with_passkey(app, ALICE)
    answers, costs = [], []
    for number, email in enumerate((ALICE, BOB, ALICE, BOB)):
        visitor = Browser(app, f"192.0.2.{number + 30}")
        visitor.attempt("nobody@example.com", "wrong")  # has the form by now
        with recorded(app) as statements:
            answer = visitor.attempt(email, "wrong")
        answers.append((answer.status_code, len(answer.data.replace(email.encode(), b""))))
        costs.append(tuple(statements))
    assert len({*answers}) == 1
    assert costs[2] == costs[3]


# --- Recovery codes


@asvs("6.5.1")
def test_a_recovery_code_counts_once(app: Flask, secret: str) -> None:
    codes = with_codes(app, ALICE)
    assert is_complete(code_step(between(app), codes[0]))
    assert not is_complete(code_step(between(app), codes[0]))
    assert count(app, RecoveryCode) == COUNT - 1 == 9
    assert is_complete(code_step(between(app), codes[1].upper().replace("-", " ")))


@asvs("6.5.1", "15.4.2")
def test_a_recovery_code_counts_once_at_the_same_time(
    app: Flask, secret: str, no_limits: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, *_ = with_codes(app, ALICE)
    browsers = [between(app, address=f"203.0.113.{number}") for number in range(5)]
    with monkeypatch.context() as patch:
        patch.setattr(tickets, "count_try", meeting(5, tickets.count_try))
        done = at_once(*(attempt(browser, code) for browser in browsers))
    assert sorted(done) == [False] * 4 + [True]
    assert count(app, RecoveryCode) == COUNT - 1


@asvs("6.3.7")
def test_the_owner_is_told_of_a_used_recovery_code(app: Flask, secret: str) -> None:
    codes = with_codes(app, ALICE)
    assert is_complete(code_step(between(app), codes[0]))
    kinds = [mail.kind for mail in mails(app, ALICE)]
    assert "recovery_code_used" in kinds
    assert mails(app, BOB) == []


@asvs("6.5.2", "6.5.3", "6.5.4")
def test_recovery_codes_are_random_and_stored_as_hashes(app: Flask, secret: str) -> None:
    codes = {code.replace("-", "") for code in with_codes(app, ALICE) + with_codes(app, BOB)}
    assert len(codes) == 2 * COUNT == 20
    assert {len(code) for code in codes} == {26}
    with app.app_context():
        stored = {row.code_hash for row in db.session.scalars(select(RecoveryCode))}
    assert {len(value) for value in stored} == {64}
    assert not stored & codes


@asvs("6.5.6")
def test_new_recovery_codes_end_the_old_ones(app: Flask, alice: Browser, secret: str) -> None:
    prove(app, ALICE, "code")
    old = with_codes(app, ALICE)
    new = shown_codes(new_recovery_codes(alice))
    assert len({*new}) == COUNT
    assert not is_complete(code_step(between(app), old[0]))
    assert is_complete(code_step(between(app), new[0]))
    assert "recovery_codes_new" in [mail.kind for mail in mails(app, ALICE)]


@asvs("6.3.5")
def test_the_owner_is_told_of_a_second_factor_on_a_new_device(app: Flask, secret: str) -> None:
    """Also of the thief who has the phone, or the paper, besides the password."""
    codes = with_codes(app, ALICE)
    assert is_complete(code_step(between(app), codes[0]))
    assert "new_device" in [mail.kind for mail in mails(app, ALICE)]


def test_recovery_codes_stand_in_for_a_factor(app: Flask, alice: Browser) -> None:
    """Without one they would be the only factor, and a second password."""
    assert new_recovery_codes(alice).status_code == 409
    assert count(app, RecoveryCode) == 0


# --- Setting up and removing


@asvs("6.5.1")
def test_an_app_protects_after_its_first_code(app: Flask, alice: Browser, clock: Clock) -> None:
    _, secret = begin_app(alice)
    assert len(secret) == 32
    assert is_complete(password_step(Browser(app), ALICE, PASSWORD))
    assert not shown_codes(confirm_app(alice, clock.wrong(secret)))
    assert is_complete(password_step(Browser(app), ALICE, PASSWORD))
    codes = shown_codes(confirm_app(alice, clock.code(secret)))
    assert len({*codes}) == COUNT
    browser = between(app)
    assert not is_complete(code_step(browser, clock.code(secret)))  # used to set it up
    clock.next_step()
    assert is_complete(code_step(browser, clock.code(secret)))
    assert "factor_added" in [mail.kind for mail in mails(app, ALICE)]


@asvs("6.5.1", "7.4.3")
def test_a_new_phone_replaces_the_old_one_with_its_first_code(
    app: Flask, alice: Browser, clock: Clock, secret: str
) -> None:
    """Until then the old one protects; then it does not count, and all other sessions end."""
    other = between(app)
    assert is_complete(code_step(other, clock.code(secret)))
    prove(app, ALICE, "code")
    _, new = begin_app(alice)
    clock.next_step()
    confirm_app(alice, clock.wrong(new))
    assert other.is_signed_in()
    assert is_complete(code_step(between(app), clock.code(secret)))
    clock.next_step()
    confirm_app(alice, clock.code(new))
    assert alice.is_signed_in()
    assert not other.is_signed_in()
    clock.next_step()
    assert not is_complete(code_step(between(app), clock.code(secret)))
    assert is_complete(code_step(between(app), clock.code(new)))


@asvs("6.5.1")
def test_an_app_that_another_session_has_begun_is_not_shown(
    app: Flask, alice: Browser, clock: Clock
) -> None:
    """A thief began it, and knows the secret that the owner would scan."""
    thief = Browser(app, "203.0.113.66")
    assert is_complete(password_step(thief, ALICE, PASSWORD))
    _, known = begin_app(thief)
    assert known not in alice.get("/account/second-factors/authenticator").text
    assert not shown_codes(confirm_app(alice, clock.code(known)))


@asvs("6.5.1")
def test_a_recovery_code_works_without_the_encryption_key(
    app: Flask,
    alice: Browser,
    clock: Clock,
    secret: str,
    log: Callable[[], list[dict[str, Any]]],
) -> None:
    """And the log has an error: an operator has lost a key."""
    code, *_ = with_codes(app, ALICE)
    with app.app_context():
        lost = update(AuthenticatorApp).values(secret="unreadable")
        db.session.execute(lost, execution_options={"unscoped": "tests"})
        db.session.commit()
    assert not is_complete(code_step(between(app), clock.code(secret)))
    assert "ERROR" in {it["level"] for it in log() if it["event"] == "crypt_decrypt_fail"}
    assert is_complete(code_step(between(app), code))


@asvs("7.4.3")
def test_a_new_factor_ends_the_link_that_moves_the_account(app: Flask, alice: Browser) -> None:
    change_address(alice, "elsewhere@example.com")
    token = newest_token(app, "elsewhere@example.com")
    with asking(app):
        assert links.find("email", Secret(token))
        second_factors.added(user_of(ALICE), "code")
        db.session.commit()
        assert links.find("email", Secret(token)) is None


def test_a_secret_is_new_each_time(app: Flask, alice: Browser, clock: Clock) -> None:
    """Who began before, in another place, knows no secret that counts."""
    (_, thiefs), (_, owners) = begin_app(alice), begin_app(alice)
    assert thiefs != owners
    assert not shown_codes(confirm_app(alice, clock.code(thiefs)))
    assert shown_codes(confirm_app(alice, clock.code(owners)))


@asvs("7.4.3")
def test_an_app_that_waits_ends_with_the_session(app: Flask, alice: Browser) -> None:
    begin_app(alice)
    assert alice.change_password(PASSWORD, NEW_PASSWORD).status_code == CHANGED
    assert count(app, AuthenticatorApp) == 0


@asvs("6.5.2", "11.3.2", "14.2.4")
def test_the_secret_is_encrypted_for_this_alone(app: Flask, secret: str) -> None:
    with app.app_context():
        (stored,) = db.session.scalars(select(AuthenticatorApp.secret)).all()
        assert secret not in stored
        assert totp.decrypt(stored, totp.PURPOSE) == secret
        with pytest.raises(Exception):  # noqa: B017, PT011 - whatever it is, there is no secret
            totp.decrypt(stored, "something else")


@asvs("6.3.7", "6.5.6", "7.4.3")
@pytest.mark.parametrize("kind", ["app", "passkey"])
def test_to_remove_a_factor_ends_the_other_sessions(
    app: Flask, alice: Browser, clock: Clock, secret: str, kind: str
) -> None:
    device = with_passkey(app, ALICE)
    thief = between(app)
    assert is_complete(code_step(thief, clock.code(secret)))
    waiting = between(app)
    prove(app, ALICE, "code")
    if kind == "app":
        assert remove_app(alice).status_code < 400
    else:
        assert remove_passkey(alice, passkey_ids(alice)[0]).status_code < 400
    assert alice.is_signed_in()
    assert not thief.is_signed_in()
    clock.next_step()
    assert not is_complete(code_step(waiting, clock.code(secret)))
    assert "factor_removed" in [mail.kind for mail in mails(app, ALICE)]
    assert device.stored


def test_with_the_last_factor_the_recovery_codes_go(
    app: Flask, alice: Browser, secret: str
) -> None:
    with_codes(app, ALICE)
    with_passkey(app, ALICE)
    prove(app, ALICE, "code")
    assert remove_app(alice).status_code < 400
    assert count(app, RecoveryCode) == COUNT
    assert remove_passkey(alice, passkey_ids(alice)[0]).status_code < 400
    assert count(app, RecoveryCode) == 0
    assert is_complete(password_step(Browser(app), ALICE, PASSWORD))


def test_an_app_of_another_user_stays(app: Flask, alice: Browser, bob: Browser) -> None:
    with_app(app, BOB)
    assert remove_app(alice).status_code == 404
    assert count(app, AuthenticatorApp, BOB) == 1


# --- SECOND_FACTOR=required


@pytest.fixture
def strict(make_app: Callable[..., Flask], app: Flask) -> Flask:
    """The service that requires a second factor of everybody."""
    return make_app(SECOND_FACTOR="required")


@asvs("6.3.3")
def test_a_required_factor_must_be_set_up_before_other_routes(strict: Flask) -> None:
    """But what sets one up, and what signs out."""
    browser = Browser(strict)
    assert is_complete(password_step(browser, ALICE, PASSWORD))
    opened = set()
    for route in routes(strict):
        if is_public(strict, route.endpoint) or route.method in ("OPTIONS", "HEAD"):
            continue
        if route.endpoint == "auth.logout":
            continue
        answer = browser.open(route.method, own_path(strict, route, ALICE))
        refused = answer.status_code in (403, 429) or "second-factors" in str(answer.location)
        # A form without our token is refused before; what it would get is seen below.
        if not refused and answer.status_code not in (400, 415):
            opened.add(route.endpoint)
    assert opened <= SET_UP
    views = strict.view_functions.items()
    marked = {name for name, view in views if getattr(view, "is_part_of_set_up", False)}
    assert marked <= SET_UP


SET_UP = {
    "auth.logout",
    "second_factors.index",
    "second_factors.begin_app",
    "second_factors.app",
    "second_factors.enable_app",
    "second_factors.passkey_options",
    "second_factors.add_passkey",
    "step_up.prove",
    "step_up.options",
    "step_up.passkey",
    "rescue.keep_by_session",  # it keeps the second factors that there are
}


@asvs("6.3.3")
def test_setting_up_a_required_factor_opens_other_routes(strict: Flask, clock: Clock) -> None:
    browser = Browser(strict)
    assert is_complete(password_step(browser, ALICE, PASSWORD))
    assert not browser.is_signed_in()
    _, secret = begin_app(browser)
    assert shown_codes(confirm_app(browser, clock.code(secret)))
    assert browser.is_signed_in()


@asvs("6.3.3")
@pytest.mark.parametrize("proof", [step_up.PASSWORD, ""], ids=["by password", "of before"])
def test_a_password_session_must_prove_a_required_factor(
    strict: Flask, clock: Clock, proof: str
) -> None:
    """One that began before the factor was set up, elsewhere."""
    browser = Browser(strict)
    assert is_complete(password_step(browser, ALICE, PASSWORD))
    secret = with_app(strict, ALICE)
    with strict.app_context():
        for session in db.session.scalars(select(Session)):
            session.proof = proof
        db.session.commit()
    assert not browser.is_signed_in()
    assert needs_proof(remove_app(browser))
    assert prove_by_code(browser, clock.code(secret)).status_code < 400
    assert browser.is_signed_in()


@asvs("6.3.3")
def test_the_last_required_factor_cannot_be_removed(strict: Flask, clock: Clock) -> None:
    secret = with_app(strict, ALICE)
    browser = Browser(strict)
    assert needs_second_step(password_step(browser, ALICE, PASSWORD))
    assert is_complete(code_step(browser, clock.code(secret)))
    assert remove_app(browser).status_code == 409
    assert count(strict, AuthenticatorApp) == 1
    add_passkey(browser, Authenticator().create(new_passkey_options(browser)))
    (passkey,) = passkey_ids(browser)
    assert remove_app(browser).status_code < 400
    assert remove_passkey(browser, passkey).status_code == 409
    assert passkey_ids(browser) == [passkey]


@asvs("6.3.3", "15.4.2")
@slow
def test_two_requests_cannot_remove_all_required_factors(
    strict: Flask, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each removal still sees the other factor."""
    secret = with_app(strict, ALICE)
    with_passkey(strict, ALICE)
    tabs = [Browser(strict, f"192.0.2.{number}") for number in range(2)]
    for tab in tabs:
        assert needs_second_step(password_step(tab, ALICE, PASSWORD))
        assert is_complete(code_step(tab, clock.code(secret)))
        clock.next_step()
    (passkey,) = passkey_ids(tabs[1])
    calls = [lambda: remove_app(tabs[0]), lambda: remove_passkey(tabs[1], passkey)]
    with monkeypatch.context() as patch:
        patch.setattr(account_lock, "lock", meeting_before(2, account_lock.lock))
        at_once(*calls)
    with strict.app_context():
        assert len(second_factors.of(user_of(ALICE))) == 1


def meeting_before(parties: int, function: Callable[..., Any]) -> Callable[..., Any]:
    """``function``, before which the first ``parties`` threads that call it wait."""
    meet = meeting(parties, lambda: None)

    def wait(*args: Any, **kwargs: Any) -> Any:
        meet()
        return function(*args, **kwargs)

    return wait


# --- What else there is to read


@asvs("15.3.1")
def test_the_export_has_no_secret(app: Flask, alice: Browser, secret: str) -> None:
    codes = with_codes(app, ALICE)
    device = with_passkey(app, ALICE)
    prove(app, ALICE, "code")
    response = download(alice)
    assert response.status_code == 200
    with app.app_context():
        (stored,) = db.session.scalars(select(AuthenticatorApp.secret)).all()
        hashes = db.session.scalars(select(RecoveryCode.code_hash)).all()
    for text in (secret, stored, *codes, *hashes):
        assert text not in response.text
    assert device.stored


def test_a_secret_does_not_show_itself(app: Flask, secret: str) -> None:
    with app.app_context():
        assert secret not in repr(user_of(ALICE))
    assert "wool" not in repr(Secret("wool"))


def test_sign_in_is_unchanged_without_a_second_factor(app: Flask, alice: Browser) -> None:
    """An account without a second factor signs in as before."""
    assert Browser(app).sign_in(ALICE).status_code == SIGNED_IN
