"""After a hundred wrong proofs in a row, the right password does not open the account either."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pyotp
import pytest
from flask import Flask, g
from sqlalchemy import select, update

from app.auth import (
    authentication,
    passkey_ceremonies,
    sessions,
    sign_in,
    step_up,
    throttling,
    tickets,
)
from app.auth.links import LIFETIMES, Link
from app.auth.models import Decoy, Session, User
from app.database import db, now
from app.mail.models import Mail
from app.secret import Secret
from tests.browser import NO_LINK, PASSWORD, SIGNED_IN, Browser
from tests.factors import asking, user_of, with_app
from tests.flows import pass_time
from tests.mailbox import mails, newest_token, tokens
from tests.marks import asvs, practice
from tests.password_actions import ask_for_reset, set_password
from tests.races import ALICE, at_once
from tests.rescue_actions import RESCUED, UNLOCK, use_link
from tests.resources import NEW_PASSWORD
from tests.routes import fingerprint
from tests.statements import recorded

pytestmark = practice("auth.lockout")

NOBODY = "alicf@example.com"  # as long


@pytest.fixture(autouse=True)
def account(alice: Browser) -> None:
    """Alice has an account."""


def has_failed(app: Flask, failures: int) -> None:
    """So many attempts at every account have failed, the last of them yesterday."""
    values = {"failures": failures, "failed_at": now() - timedelta(days=1), "refusals": 0}
    with app.app_context():
        for model in (User, Session, Decoy):
            db.session.execute(update(model).values(values))
        db.session.commit()


def failures(app: Flask) -> int:
    with app.app_context():
        return db.session.scalars(select(User.failures).where(User.email == Secret(ALICE))).one()


def locked_out(app: Flask) -> str:
    """Let the hundredth attempt fail; the token that the mail has."""
    has_failed(app, throttling.MAX_FAILURES - 1)
    assert Browser(app, "203.0.113.66").attempt(ALICE, "wrong").status_code == 401
    has_failed(app, throttling.MAX_FAILURES)
    return newest_token(app, ALICE)


def enters(app: Flask, password: str = PASSWORD, address: str = "192.0.2.1") -> bool:
    return Browser(app, address).sign_in(ALICE, password).status_code == SIGNED_IN


@asvs("6.3.1")
def test_after_a_hundred_failures_the_right_password_is_answered_like_a_wrong_one(
    app: Flask, alice: Browser
) -> None:
    has_failed(app, throttling.MAX_FAILURES - 1)
    assert enters(app)
    locked_out(app)
    guesser = Browser(app, "192.0.2.2")
    right, wrong = (guesser.attempt(ALICE, it) for it in (PASSWORD, "wrong"))
    assert right.status_code == wrong.status_code == 401
    assert len(right.text) == len(wrong.text)
    assert throttling.HINT.split(",")[0] in right.text
    assert failures(app) == throttling.MAX_FAILURES + 1
    assert alice.is_signed_in(), "running sessions go on"


@asvs("6.3.1")
def test_the_unlock_link_allows_the_password_again(app: Flask, alice: Browser) -> None:
    token = locked_out(app)
    assert not enters(app)
    assert use_link(Browser(app), UNLOCK, token).status_code == RESCUED
    assert failures(app) == 0
    assert enters(app, address="192.0.2.3")
    assert use_link(Browser(app), UNLOCK, token).status_code == NO_LINK
    (mail,) = (it for it in mails(app, ALICE) if it.kind == "unlock")
    assert "Too many failed sign-ins" in mail.subject
    assert "203.0.113.66" in mail.text
    assert "{" not in mail.subject + mail.text


@asvs("6.3.1")
def test_a_new_password_opens_the_account_as_well(app: Flask) -> None:
    locked_out(app)
    ask_for_reset(Browser(app), ALICE)
    set_password(Browser(app), newest_token(app, ALICE), NEW_PASSWORD)
    assert enters(app, NEW_PASSWORD)


def test_an_operator_unlocks_the_account(app: Flask, cli: Callable[..., Any]) -> None:
    locked_out(app)
    assert "locked: yes" in cli("users", "show", ALICE).stdout
    assert cli("users", "unlock", ALICE).exit_code == 0
    assert "locked: no" in cli("users", "show", ALICE).stdout
    assert enters(app)


@asvs("6.4.1")
def test_the_link_counts_for_its_purpose_its_account_and_its_time(
    app: Flask, alice: Browser, bob: Browser
) -> None:
    token = locked_out(app)
    before = fingerprint(app)
    set_password(Browser(app), token, NEW_PASSWORD)
    for guess in ("", "x" * 43, token[:-1], token.swapcase()):
        assert use_link(Browser(app), UNLOCK, guess).status_code == NO_LINK
    assert fingerprint(app) == before
    with app.app_context():
        assert LIFETIMES["unlock"] == timedelta(days=7)
    pass_time(app, timedelta(days=7))
    assert use_link(bob, UNLOCK, token).status_code == NO_LINK
    assert not enters(app)


def test_opening_the_unlock_page_unlocks_nothing(app: Flask) -> None:
    """Mail scanners open each link."""
    token = locked_out(app)
    before = fingerprint(app)
    for method in ("GET", "HEAD"):
        Browser(app, "192.0.2.99").open(method, f"{UNLOCK}?token={token}")
    assert fingerprint(app) == before
    assert not enters(app)


def test_a_mail_goes_out_with_each_hundred_and_no_more(app: Flask) -> None:
    for count, expected in ((98, 0), (99, 1), (100, 1), (150, 1), (199, 2)):
        has_failed(app, count)
        Browser(app, f"192.0.2.{count}").attempt(ALICE, "wrong")
        assert len(tokens(app, ALICE)) == expected, count
    older, newer = tokens(app, ALICE)
    assert use_link(Browser(app), UNLOCK, older).status_code == NO_LINK
    assert use_link(Browser(app), UNLOCK, newer).status_code == RESCUED


def test_a_link_to_a_former_address_opens_nothing(app: Flask) -> None:
    token = locked_out(app)
    with app.app_context():
        user_of(ALICE).email = Secret("alice@example.net")
        db.session.commit()
    assert use_link(Browser(app), UNLOCK, token).status_code == NO_LINK


@asvs("6.3.8")
@pytest.mark.parametrize("count", [98, 99, 100, 199])
def test_a_locked_out_account_cannot_be_told_from_an_unknown_one(app: Flask, count: int) -> None:
    """Not even the hundredth failure, which writes more."""
    guesser = Browser(app, "192.0.2.1")
    guesser.attempt(NOBODY, "warm")  # its decoy is there
    seen = []
    for email in (ALICE, NOBODY):
        has_failed(app, count)
        with recorded(app) as statements:
            answer = guesser.attempt(email, "wrong")
        seen.append((answer.status_code, len(answer.text), statements))
    assert seen[0] == seen[1]
    assert mails(app, NOBODY) == []


def test_a_disabled_account_gets_no_mail(app: Flask, cli: Callable[..., Any]) -> None:
    cli("users", "disable", ALICE)
    has_failed(app, throttling.MAX_FAILURES - 1)
    Browser(app).attempt(ALICE, PASSWORD)
    assert tokens(app, ALICE) == []
    with app.app_context():
        assert db.session.scalars(select(Mail.state).where(Mail.kind == "unlock")).one() == "sent"


def test_a_name_that_is_no_address_is_counted_as_well(app: Flask) -> None:
    Browser(app).attempt("nobody", "warm")
    has_failed(app, throttling.MAX_FAILURES - 1)
    assert Browser(app, "192.0.2.1").attempt("nobody", "wrong").status_code == 401


# --- Second factors and passkeys


def ticket_of(app: Flask, purpose: tickets.Purpose = "second factor") -> Any:
    _, token = tickets.issue(purpose, user_of(ALICE) if purpose == "second factor" else None)
    db.session.commit()
    return token


@asvs("6.3.1")
def test_wrong_codes_count_as_wrong_passwords_do(app: Flask) -> None:
    """Also those that come early: each was looked at."""
    codes = pyotp.TOTP(with_app(app, ALICE))
    has_failed(app, throttling.MAX_FAILURES - 3)
    with asking(app):
        token = ticket_of(app)
        wrong = f"{(int(codes.now()) + 500_000) % 1_000_000:06}"
        for number in (98, 99, 100):
            assert sign_in.by_code(token, Secret(wrong)) is None
            assert failures(app) == number
        assert sign_in.by_code(token, Secret(codes.now())) is None, "locked out: right or wrong"
    assert [it.kind for it in mails(app, ALICE)] == ["unlock"]
    assert not enters(app)


def test_a_passkey_sign_in_works_and_does_not_unlock_the_password(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its owner comes every day; whoever guesses the password would have a hundred new tries."""
    locked_out(app)
    monkeypatch.setattr(passkey_ceremonies, "verify", lambda *_: user_of(ALICE))
    with asking(app):
        done = sign_in.by_passkey("passkey", ticket_of(app, "passkey"), "{}")
        assert done is not None
        assert done.proof == "passkey"
        db.session.commit()
    assert failures(app) == throttling.MAX_FAILURES
    assert not enters(app)


@asvs("6.3.1")
def test_a_stolen_session_has_a_hundred_guesses_as_well(app: Flask) -> None:
    has_failed(app, throttling.MAX_FAILURES)
    with asking(app):
        (session,) = sessions.of_user(user_of(ALICE))
        g.user = session.user
        assert not authentication.reauthenticate(session, Secret(PASSWORD))
        db.session.execute(update(Session).values(failures=0, failed_at=None))
        db.session.commit()
        assert step_up.by_password(session, Secret(PASSWORD)), "guesses at the sign-in are others'"


@asvs("15.4.2")
def test_only_one_of_two_simultaneous_unlocks_succeeds(app: Flask) -> None:
    token = locked_out(app)
    visitors = [Browser(app, f"192.0.2.{number}") for number in range(2)]
    answers = at_once(*[lambda it=it: use_link(it, UNLOCK, token) for it in visitors])
    assert sorted(it.status_code for it in answers) == [RESCUED, NO_LINK]
    with app.app_context():
        assert db.session.scalars(select(Link.token_hash)).all() == [None]
