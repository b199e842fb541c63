"""Sign-up and a forgotten password: who has an account, whose is it, and who sets its password."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, update
from werkzeug.test import TestResponse

from app.auth.links import Link
from app.auth.models import Session, User
from app.auth.throttling import FREE
from app.commands.users import disable_user
from app.database import db, now
from app.mail import outbox
from app.secret import Secret
from tests.browser import (
    ASKED,
    NO_LINK,
    PASSWORD,
    PASSWORD_SET,
    SIGNED_IN,
    SIGNED_UP,
    Browser,
)
from tests.flows import CAROL, FLOWS, RESET, SIGN_UP, Flow
from tests.mailbox import mails, newest_token, tokens
from tests.marks import asvs, practice, slow
from tests.password_actions import ask_for_account, ask_for_reset, open_account, set_password
from tests.races import ALICE, count
from tests.resources import NEW_PASSWORD
from tests.statements import recorded

pytestmark = practice("auth.sign_up", "auth.password_reset")

OTHER_PASSWORD = "thistle-7-orbit-lantern-wool"
DISABLED = "disabled@example.com"

both = pytest.mark.parametrize("flow", FLOWS, ids=str)


@pytest.fixture(autouse=True)
def account(alice: Browser) -> None:
    """Alice has an account, carol has none."""


@pytest.fixture
def disabled(app: Flask) -> None:
    """An account that an operator has disabled."""
    Browser(app, "203.0.113.8").signed_in(DISABLED)
    disable(app, DISABLED)


def disable(app: Flask, email: str) -> None:
    with app.app_context():
        db.session.execute(
            update(User).where(User.email == Secret(email)).values(disabled_at=now())
        )
        db.session.commit()


def seen(response: TestResponse) -> tuple[object, ...]:
    """What tells one answer from another: status, headers and body, without what is random."""
    headers = [
        (name, re.sub("session=[^;]+", "session=...", value))
        for name, value in response.headers
        if name != "X-Request-ID"
    ]
    return response.status_code, headers, response.text


# --- Who has an account


@asvs("6.3.8")
@both
def test_an_answer_does_not_tell_who_has_an_account(
    app: Flask, disabled: None, monkeypatch: pytest.MonkeyPatch, flow: Flow
) -> None:
    """Not by its status, headers or body, nor by its time: the same work is done for each."""
    encrypted: list[str] = []
    encrypt = outbox.encrypt

    def count_encryption(secret: Secret, purpose: str) -> str:
        encrypted.append(purpose)
        return encrypt(secret, purpose)

    monkeypatch.setattr(outbox, "encrypt", count_encryption)
    answers, costs = [], {}
    for number, email in enumerate((CAROL, ALICE, DISABLED)):
        visitor = Browser(app, f"192.0.2.{number}")
        encrypted.clear()
        with recorded(app) as statements:
            answers.append(seen(flow.ask(visitor, email)))
        costs[email] = (*statements, *encrypted)
    assert answers[0][0] == ASKED
    assert answers[0] == answers[1] == answers[2]
    assert costs[CAROL] == costs[ALICE] == costs[DISABLED]
    assert len(encrypted) == 1
    assert costs[CAROL][-2] == "COMMIT"


@asvs("6.3.8")
@both
def test_within_the_pause_the_answer_is_the_same(app: Flask, flow: Flow) -> None:
    for email in (CAROL, ALICE):
        first, second = (flow.ask(Browser(app, f"192.0.2.{n}"), email) for n in range(2))
        assert seen(first) == seen(second)


@asvs("6.3.8")
def test_only_the_mail_says_whether_an_account_exists(
    app: Flask, disabled: None, browser: Browser
) -> None:
    for email in (CAROL, ALICE, DISABLED):
        ask_for_account(browser, email)
        ask_for_reset(browser, email)
    assert [(mail.kind, mail.recipient) for mail in mails(app)] == [
        ("register", CAROL),
        ("known", ALICE),
        ("reset", ALICE),
        ("known", DISABLED),
    ]
    known = mails(app, ALICE)[0]
    assert "You have an account" in known.subject
    assert "Forgot your password" in known.text


@asvs("6.3.8")
def test_a_mail_about_a_known_account_opens_nothing(app: Flask, browser: Browser) -> None:
    ask_for_account(browser, ALICE)
    assert tokens(app, ALICE) == []


@asvs("6.3.8")
def test_setting_a_password_does_not_reveal_accounts(
    app: Flask, browser: Browser, cli: Callable[..., Any]
) -> None:
    """Who has the link of an address that got an account meanwhile learns no more than of a used
    one."""
    taken, used = SIGN_UP.token(app), RESET.token(app)
    set_password(browser, used, NEW_PASSWORD)
    cli("users", "create", CAROL)
    answers = [open_account(browser, it, NEW_PASSWORD) for it in (taken, used, "x")]
    assert {answer.status_code for answer in answers} == {NO_LINK}
    bodies = {re.sub(r"[0-9a-f]{32}", "", answer.text) for answer in answers}
    assert len(bodies) == 1


# --- Whose account it is


def test_nothing_is_kept_for_an_address_before_its_mailbox_is_proven(
    app: Flask, browser: Browser
) -> None:
    """Pre-hijacking: an attacker opens the account of somebody who comes later."""
    assert ask_for_account(browser, CAROL).status_code == ASKED
    assert count(app, User) == 1
    assert count(app, Session) == 1
    assert browser.sign_in(CAROL, PASSWORD).status_code == 401
    assert open_account(browser, newest_token(app, CAROL), NEW_PASSWORD).status_code == SIGNED_UP
    assert count(app, Session) == 1  # whoever opens it signs in with the password, as always
    assert not browser.is_signed_in()
    assert browser.sign_in(CAROL, NEW_PASSWORD).status_code == SIGNED_IN


@asvs("15.4.2")
@slow
def test_a_link_does_not_take_over_an_account_that_was_made_meanwhile(
    app: Flask, browser: Browser, cli: Callable[..., Any]
) -> None:
    token = SIGN_UP.token(app)
    made = cli("users", "create", CAROL)
    assert made.exit_code == 0, made.output
    set_password(browser, newest_token(app, CAROL), OTHER_PASSWORD)
    assert open_account(browser, token, NEW_PASSWORD).status_code == NO_LINK
    assert browser.sign_in(CAROL, NEW_PASSWORD).status_code == 401
    assert browser.sign_in(CAROL, OTHER_PASSWORD).status_code == SIGNED_IN


@asvs("7.4.2")
def test_a_disabled_account_stays_as_it_is(app: Flask, alice: Browser, browser: Browser) -> None:
    token = RESET.token(app)
    with app.app_context():
        before = db.session.scalars(select(User.password_hash)).one()
        disable_user.main([ALICE], standalone_mode=False)
    assert set_password(browser, token, NEW_PASSWORD).status_code == NO_LINK
    with app.app_context():
        user = db.session.scalars(select(User)).one()
        assert user.disabled_at is not None
        assert user.password_hash == before
    assert browser.sign_in(ALICE, NEW_PASSWORD).status_code == 401
    assert "password" not in [mail.kind for mail in mails(app, ALICE)]


@asvs("8.2.2")
@pytest.mark.parametrize("taken", [False, True], ids=["free", "taken"])
def test_a_link_to_a_former_address_sets_no_password(
    app: Flask, browser: Browser, taken: bool
) -> None:
    """Whoever gets that address later, or reads its old mails, must not get the account."""
    token = RESET.token(app)
    with app.app_context():
        db.session.execute(update(User).values(email=Secret("alice@new.example")))
        db.session.commit()
    if taken:
        Browser(app, "203.0.113.9").signed_in("bob@example.com")
    assert set_password(browser, token, NEW_PASSWORD).status_code == NO_LINK
    for email in ("alice@new.example", "bob@example.com"):
        assert browser.sign_in(email, NEW_PASSWORD).status_code == 401
    assert browser.sign_in("alice@new.example", PASSWORD).status_code == SIGNED_IN


@pytest.mark.parametrize(
    "look_alike", ["alıce@example.com", "älice@example.com", "alice@exämple.com"]
)
def test_a_mail_goes_to_no_address_that_looks_alike(
    app: Flask, browser: Browser, look_alike: str
) -> None:
    """A database that takes them for the same would let the attacker reset alice's password."""
    assert ask_for_reset(browser, look_alike).status_code == ASKED
    assert mails(app) == []


@pytest.mark.parametrize("spelling", ["Alice@Example.COM", " alice@example.com\n"])
def test_another_spelling_is_the_same_address(app: Flask, browser: Browser, spelling: str) -> None:
    for ask, kind in ((ask_for_account, "known"), (ask_for_reset, "reset")):
        assert ask(browser, spelling).status_code == ASKED
        assert (mails(app)[-1].kind, mails(app)[-1].recipient) == (kind, ALICE)


# --- What a reset does


@asvs("6.3.7", "6.4.3", "7.4.3")
def test_a_reset_ends_every_session_and_tells_the_owner(
    app: Flask, alice: Browser, bob: Browser, log: Callable[[], list[dict[str, Any]]]
) -> None:
    phone = Browser(app, "192.0.2.7")
    assert phone.sign_in(ALICE).status_code == SIGNED_IN
    token = RESET.token(app)
    log()
    assert set_password(Browser(app, "192.0.2.8"), token, NEW_PASSWORD).status_code == PASSWORD_SET
    events = [line["event"] for line in log() if line["logger"] == "app.security"]
    assert events.count("authn_password_change") == 1
    assert events.count("session_revoked") == 2
    assert not alice.is_signed_in()
    assert not phone.is_signed_in()
    assert bob.is_signed_in()
    assert count(app, Session) == 1
    notice = mails(app, ALICE)[-1]
    assert notice.kind == "password"
    assert "192.0.2.8" in notice.text
    assert tokens(app, ALICE) == [token]  # the notice has none
    assert Browser(app).sign_in(ALICE, PASSWORD).status_code == 401
    assert Browser(app).sign_in(ALICE, NEW_PASSWORD).status_code == SIGNED_IN


@asvs("6.3.1")
def test_guesses_at_the_sign_in_do_not_keep_the_owner_out_after_a_reset(app: Flask) -> None:
    with app.app_context():
        delayed = {"failures": FREE + 5, "failed_at": now()}
        db.session.execute(update(User).values(**delayed))
        db.session.commit()
    assert Browser(app).sign_in(ALICE, PASSWORD).status_code == 401
    assert set_password(Browser(app), RESET.token(app), NEW_PASSWORD).status_code == PASSWORD_SET
    assert Browser(app).sign_in(ALICE, NEW_PASSWORD).status_code == SIGNED_IN


# --- What a mail says, and where it goes

INJECTIONS = [
    "carol@example.com\r\nBcc: mallory@example.com",
    "carol@example.com\nBcc: mallory@example.com",
    "carol@example.com\rBcc: mallory@example.com",
    "carol\r\n@example.com",
    "carol@example.com%0aBcc:mallory@example.com",
    "carol@example.com, mallory@example.com",
    "carol@example.com;mallory@example.com",
    "carol@example.com mallory@example.com",
    "<mallory@example.com>carol@example.com",
    "Carol <mallory@example.com>",
    '"carol\r\nBcc: mallory@example.com"@example.com',
    '"mallory@example.com,"@example.com',
    "carol@example.com\0",
    "carol@example.com\u2028Bcc: mallory@example.com",
    "carol@example.com\u0085Bcc: mallory@example.com",
    "carol@example.com>\r\nRCPT TO:<mallory@example.com",
    "carol@[127.0.0.1]",
    "carol@localhost",
    "carol",
    "",
    f"{'x' * 250}@example.com",
]


@asvs("1.3.3", "2.2.1")
@both
def test_no_address_adds_a_header_or_a_recipient(app: Flask, flow: Flow) -> None:
    for number, injection in enumerate(INJECTIONS):
        answer = flow.ask(Browser(app, f"192.0.2.{number}"), injection)
        assert answer.status_code == 422, injection
    assert mails(app) == []
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(Link)) == 0


@both
def test_a_mail_repeats_nothing_that_a_stranger_chooses(app: Flask, flow: Flow) -> None:
    """It would carry it in our name: a text with a link of the attacker's."""
    lies = {
        "User-Agent": "canary https://evil.example",
        "Accept-Language": "canary",
        "X-Forwarded-Host": "evil.example",
        "Forwarded": "host=evil.example;for=evil",
        "X-Real-IP": "evil",
    }
    visitor = Browser(app, "192.0.2.5")
    visitor.own_headers = {**visitor.own_headers, **lies}
    assert flow.ask(visitor, flow.email).status_code == ASKED
    (mail,) = mails(app, flow.email)
    assert not re.search("evil|canary", mail.subject + mail.text)
    assert "192.0.2.5" in mail.text


# --- Limits


@practice("rate_limits")
@asvs("2.4.1", "6.3.1")
@both
def test_one_client_gets_few_mails_sent(app: Flask, flow: Flow) -> None:
    """To strangers, one each: the pauses do not count them."""
    visitor = Browser(app, "192.0.2.5")
    statuses = [flow.ask(visitor, f"u{n}@example.com").status_code for n in range(21)]
    assert statuses == [ASKED] * 20 + [429]
    assert flow.ask(Browser(app, "192.0.2.6"), "u20@example.com").status_code == ASKED


@practice("rate_limits")
@asvs("6.3.1")
@both
def test_attempts_with_links_are_limited_by_address(app: Flask, flow: Flow) -> None:
    visitor = Browser(app, "192.0.2.5")
    statuses = [flow.finish(visitor, f"guess {n}", PASSWORD).status_code for n in range(31)]
    assert statuses == [NO_LINK] * 30 + [429]
