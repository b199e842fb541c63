"""A sign-in from a new device: its owner is told, by a mail that no attacker writes or multiplies."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from app.auth import authentication, device_tokens
from app.auth.devices import KIND, MAX_DEVICES, MAX_NOTICES, Device
from app.auth.models import User
from app.database import db
from app.mail import outbox as mail_outbox
from app.secret import Secret
from tests.account_actions import (
    change_address,
    confirm_address,
    device_tokens_of,
    undo_address,
    use_device_token,
)
from tests.browser import ASKED, CHANGED, PASSWORD, PASSWORD_SET, SIGNED_IN, Browser
from tests.flows import CAROL, RESET, SIGN_UP
from tests.mailbox import Received, mails, newest_token
from tests.marks import asvs, practice, slow
from tests.outbox import pass_time
from tests.own_data_actions import download
from tests.password_actions import open_account, set_password
from tests.races import ALICE, at_once, meeting
from tests.resources import NEW_PASSWORD
from tests.statements import recorded

pytestmark = practice("auth.devices")

OWN, STRANGE = "192.0.2.10", "203.0.113.66"  # addresses of the owner and of a thief
BOB = "bob@example.com"


@pytest.fixture(autouse=True)
def accounts_of_two(alice: Browser, bob: Browser) -> None:
    """Alice and bob have an account; no device is known of either."""


@pytest.fixture
def phone(app: Flask) -> Browser:
    """A device of alice's that is known, for two days."""
    phone = Browser(app, OWN)
    assert phone.sign_in(ALICE).status_code == SIGNED_IN
    pass_time(app, timedelta(days=2))
    return phone


def notices(app: Flask, recipient: str = ALICE) -> list[Received]:
    return [mail for mail in mails(app, recipient) if mail.kind == KIND]


def devices(app: Flask, email: str = ALICE) -> list[Device]:
    with app.app_context():
        theirs = select(Device).join(User).where(User.email == Secret(email))
        return list(db.session.scalars(theirs.order_by(Device.id)))


def token_of(browser: Browser) -> str:
    return device_tokens_of(browser)[0]


# --- Who is told


@asvs("6.3.5")
def test_the_owner_is_told_of_a_sign_in_from_a_new_device(app: Flask, phone: Browser) -> None:
    before = len(notices(app))
    thief = Browser(app, STRANGE)
    assert thief.sign_in(ALICE).status_code == SIGNED_IN
    mail = notices(app)[-1]
    assert len(notices(app)) == before + 1
    assert STRANGE in mail.text
    assert "UTC" in mail.text
    assert "Forgot your password?" in mail.text
    assert notices(app, BOB) == []


@asvs("6.3.5")
def test_a_known_device_is_not_told_of(app: Flask, phone: Browser) -> None:
    before, token = len(notices(app)), token_of(phone)
    for address in (OWN, STRANGE):  # the same device, in another network
        phone.address = address
        phone.sign_out()
        assert phone.sign_in(ALICE).status_code == SIGNED_IN
    assert len(notices(app)) == before
    assert token_of(phone) == token
    assert len(devices(app)) == 1


@asvs("6.3.5")
@pytest.mark.parametrize("change", ["another", "cut", "longer", "empty", "spaces", "hash"])
def test_a_token_that_is_not_exactly_the_own_is_unknown(
    app: Flask, phone: Browser, change: str
) -> None:
    token, before = token_of(phone), len(notices(app))
    sent = {
        "another": ("A" if token[0] != "A" else "B") + token[1:],
        "cut": token[:-1],
        "longer": f"{token}A",
        "empty": "",
        "spaces": "   ",
        "hash": devices(app)[0].token_hash,
    }[change]
    thief = Browser(app, STRANGE)
    use_device_token(thief, sent)
    assert thief.sign_in(ALICE).status_code == SIGNED_IN
    assert len(notices(app)) == before + 1
    assert device_tokens_of(thief)[0] not in (sent, token)


@asvs("6.3.5")
def test_a_token_of_another_account_is_unknown(app: Flask, phone: Browser) -> None:
    """A thief who has an account here would otherwise be known to everybody."""
    thief, before = Browser(app, STRANGE), len(notices(app))
    assert thief.sign_in(BOB).status_code == SIGNED_IN
    token = token_of(thief)
    assert thief.sign_in(ALICE).status_code == SIGNED_IN
    assert len(notices(app)) == before + 1
    assert device_tokens_of(thief)[0] != token


@asvs("6.3.5")
def test_a_planted_token_does_not_become_known(app: Flask) -> None:
    """Somebody plants a token in alice's browser, which signs in; then it is not the planter's."""
    planted = "x" * 43
    browser, thief = Browser(app, OWN), Browser(app, STRANGE)
    use_device_token(browser, planted)
    assert browser.sign_in(ALICE).status_code == SIGNED_IN
    use_device_token(thief, planted)
    assert thief.sign_in(ALICE).status_code == SIGNED_IN
    assert len(notices(app)) == 2


def test_who_signs_up_is_not_told_of_the_own_device(app: Flask, browser: Browser) -> None:
    assert open_account(browser, SIGN_UP.token(app), NEW_PASSWORD).status_code == SIGN_UP.done
    assert browser.sign_in(CAROL, NEW_PASSWORD).status_code == SIGNED_IN
    assert notices(app, CAROL) == []
    assert Browser(app, STRANGE).sign_in(CAROL, NEW_PASSWORD).status_code == SIGNED_IN
    assert len(notices(app, CAROL)) == 1


def test_a_sign_in_that_fails_tells_and_stores_nothing(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The notice is of the same transaction as the session."""

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a test")

    monkeypatch.setattr("app.auth.sessions.expiry.delete_expired", fail)
    assert Browser(app, STRANGE).sign_in(ALICE).status_code == 500
    assert (notices(app), devices(app)) == ([], [])


# --- What tells whether a device is known


@asvs("6.3.5", "6.3.8")
def test_a_wrong_password_does_not_tell_whether_a_device_is_known(
    app: Flask, phone: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the same work: nothing looks at the token before the password is right."""
    looked: list[str] = []
    monkeypatch.setattr(device_tokens, "sent", lambda: looked.append("looked") or [])
    answers, costs = [], []
    token = token_of(phone)
    for number, sent in enumerate((token, "x" * 43, "")):
        visitor = Browser(app, f"192.0.2.{100 + number}")
        use_device_token(visitor, sent)
        visitor.attempt(BOB, "wrong")  # has the form by now
        with recorded(app) as statements:
            answer = visitor.attempt(ALICE, "wrong")
        answers.append((answer.status_code, len(answer.data), sorted(answer.headers.keys())))
        costs.append(tuple(statements))
    assert answers[0] == answers[1] == answers[2]
    assert costs[0] == costs[1] == costs[2]
    assert looked == []
    assert len(devices(app)) == 1


# --- What a thief's device is worth later


def reset(app: Flask, browser: Browser) -> None:
    assert set_password(browser, RESET.token(app), NEW_PASSWORD).status_code == PASSWORD_SET


def change(app: Flask, browser: Browser) -> None:
    assert browser.sign_in(ALICE).status_code == SIGNED_IN
    assert browser.change_password(PASSWORD, NEW_PASSWORD).status_code == CHANGED


@asvs("6.3.5", "7.4.3")
@pytest.mark.parametrize("renew", [reset, change])
def test_a_new_password_makes_every_other_device_new(
    app: Flask, phone: Browser, renew: Callable[[Flask, Browser], None]
) -> None:
    thief = Browser(app, STRANGE)
    assert thief.sign_in(ALICE).status_code == SIGNED_IN
    assert len(devices(app)) == 2
    renew(app, phone)
    assert len(devices(app)) == 1
    before = len(notices(app))
    assert phone.sign_in(ALICE, NEW_PASSWORD).status_code == SIGNED_IN
    assert len(notices(app)) == before
    assert thief.sign_in(ALICE, NEW_PASSWORD).status_code == SIGNED_IN
    assert len(notices(app)) == before + 1


@asvs("6.3.5")
def test_a_reset_on_another_device_forgets_all(app: Flask, phone: Browser) -> None:
    """Whoever has the mailbox has not signed in yet."""
    reset(app, Browser(app, "192.0.2.11"))
    assert devices(app) == []


def test_an_undone_change_of_address_forgets_the_thief(app: Flask, phone: Browser) -> None:
    thief = Browser(app, STRANGE)
    assert thief.sign_in(ALICE).status_code == SIGNED_IN
    assert change_address(thief, "thief@example.com").status_code == ASKED
    assert confirm_address(thief, newest_token(app, "thief@example.com")).status_code < 400
    assert undo_address(Browser(app), newest_token(app, ALICE), NEW_PASSWORD).status_code < 400
    assert devices(app) == []


@pytest.mark.parametrize(
    "command",
    [
        ("sessions", "revoke", "--user", ALICE),
        ("users", "disable", ALICE),
        ("users", "reset", ALICE, "--disable-password"),
    ],
)
@slow
def test_an_operator_who_ends_all_sessions_makes_every_device_new(
    app: Flask, phone: Browser, cli: Callable[..., Any], command: tuple[str, ...]
) -> None:
    assert Browser(app, "192.0.2.12").sign_in(BOB).status_code == SIGNED_IN
    assert cli(*command).exit_code == 0
    assert devices(app) == []
    assert len(devices(app, BOB)) == 1


def test_a_device_is_forgotten_after_the_longest_time(app: Flask, phone: Browser) -> None:
    before, token = len(notices(app)), token_of(phone)
    assert timedelta(days=400) == device_tokens.KEEP
    for age, told in ((timedelta(days=399), 0), (timedelta(days=401), 1)):
        with app.app_context():
            for device in db.session.scalars(select(Device)):
                device.seen_at -= age
            db.session.commit()
        use_device_token(phone, token)
        assert phone.sign_in(ALICE).status_code == SIGNED_IN
        assert len(notices(app)) == before + told
    assert len(devices(app)) == 1  # the row of the forgotten one is gone


# --- What it can be used for


@asvs("6.3.5")
def test_many_sign_ins_from_new_devices_send_few_mails(app: Flask) -> None:
    for number in range(MAX_NOTICES + 2):
        assert Browser(app, f"203.0.113.{number}").sign_in(ALICE).status_code == SIGNED_IN
    assert MAX_NOTICES == 5
    assert len(notices(app)) == MAX_NOTICES
    assert Browser(app, STRANGE).sign_in(BOB).status_code == SIGNED_IN
    assert len(notices(app, BOB)) == 1  # who is told of the own all the same
    pass_time(app, timedelta(days=1, minutes=1))
    assert Browser(app, STRANGE).sign_in(ALICE).status_code == SIGNED_IN
    assert len(notices(app)) == MAX_NOTICES + 1


def test_only_the_newest_devices_are_known(app: Flask, needs_no_limit: None) -> None:
    browsers = [Browser(app, f"203.0.113.{number}") for number in range(MAX_DEVICES + 1)]
    for browser in browsers:
        assert browser.sign_in(ALICE).status_code == SIGNED_IN
    kept = [device.id for device in devices(app)]
    assert len(kept) == MAX_DEVICES == 10
    assert browsers[1].sign_in(ALICE).status_code == SIGNED_IN  # the oldest that is left
    assert [device.id for device in devices(app)] == kept
    assert browsers[0].sign_in(ALICE).status_code == SIGNED_IN
    assert len({device.id for device in devices(app)} - {*kept}) == 1


@pytest.fixture
def needs_no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """More sign-ins than one account has in five minutes."""
    monkeypatch.setattr("app.security.rate_limits.limiter.enabled", False)


@asvs("6.3.5", "15.4.2")
def test_sign_ins_at_once_are_all_counted(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each with the right password, before one of them is stored: a flood all the same."""
    number = 10
    visitors = [Browser(app, f"203.0.113.{n}") for n in range(number)]
    calls = [lambda it=it: it.sign_in(ALICE).status_code for it in visitors]
    for visitor in visitors:
        visitor.get("/healthz")
    with monkeypatch.context() as patch:
        patch.setattr(
            authentication, "verify_password", meeting(number, authentication.verify_password)
        )
        assert at_once(*calls) == [SIGNED_IN] * number
    assert len(notices(app)) == MAX_NOTICES
    assert len(devices(app)) == number
    assert len({token_of(visitor) for visitor in visitors}) == number


@asvs("6.3.5", "1.3.11")
def test_the_mail_quotes_nothing_of_the_request(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An attacker would write to the owner in our name, with a link in the User-Agent."""
    thief = Browser(app, STRANGE)
    lure = "Call-https://evil.example/-now"
    thief.own_headers = thief.own_headers | {
        "User-Agent": lure,
        "Accept-Language": lure,
        "X-Request-ID": lure,
    }
    use_device_token(thief, lure)
    assert thief.sign_in(ALICE).status_code == SIGNED_IN
    (mail,) = notices(app)
    assert "evil" not in mail.subject + mail.text
    assert ALICE not in mail.subject + mail.text
    seen: list[dict[str, object]] = []

    def add(kind: str, recipient: str, values: dict[str, object], **_: object) -> None:
        seen.append(dict(values))

    monkeypatch.setattr(mail_outbox, "add", add)
    assert Browser(app, STRANGE).sign_in(ALICE).status_code == SIGNED_IN
    assert seen == [{"address": STRANGE, "proof": "password"}]


# --- What is stored


@asvs("6.5.2", "6.5.3", "14.2.4")
def test_the_database_has_a_hash_that_differs_by_account(app: Flask, phone: Browser) -> None:
    """Whoever has read it neither is a known device nor learns who shares one."""
    token = token_of(phone)
    assert len(token) == 43
    (device,) = devices(app)
    assert device.token_hash == sha256(f"{device.user_id} {token}".encode()).hexdigest()


@asvs("15.3.1")
def test_the_export_has_the_time_alone(phone: Browser) -> None:
    (row,) = download(phone).json["devices"]
    assert row.keys() == {"seen_at"}


def test_a_device_token_signs_nobody_in(app: Flask, phone: Browser) -> None:
    thief = Browser(app, STRANGE)
    use_device_token(thief, token_of(phone))
    assert not thief.is_signed_in()
    assert thief.sign_in(ALICE, "wrong").status_code == 401


def test_the_device_token_is_not_logged(
    phone: Browser, log: Callable[[], list[dict[str, Any]]]
) -> None:
    token = token_of(phone)
    log()
    phone.sign_in(ALICE)
    phone.sign_in(ALICE, "wrong")
    assert token not in str(log())
