"""An operator is talked into removing somebody's second factors: the owner is told, and has time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from app.auth import factor_resets, passkeys, sign_in
from app.auth.links import LIFETIMES
from app.auth.models import Session, User
from app.database import db, now
from app.mail import outbox
from app.mail.models import Mail
from app.secret import Secret
from tests.browser import NO_LINK, PASSWORD, SIGNED_IN, Browser
from tests.database import flask_db
from tests.factor_actions import (
    code_step,
    is_complete,
    passkey_options,
    passkey_step,
    password_step,
    prove_by_passkey,
    step_up_options,
)
from tests.factors import (
    asking,
    factors_of,
    user_of,
    with_app,
    with_codes,
    with_foreign_passkey,
    with_passkey,
)
from tests.mailbox import mails, newest_token, tokens
from tests.marks import asvs, practice, slow
from tests.races import ALICE, at_once
from tests.rescue_actions import KEEP, KEEP_BY_SESSION, RESCUED, ready_to_keep, says_when, use_link
from tests.routes import fingerprint

pytestmark = practice("auth.factor_resets")
Cli = Callable[..., Any]
ALL, NONE = (["code", "passkey"], 10), ([], 0)


@pytest.fixture(autouse=True)
def account(app: Flask, alice: Browser) -> None:
    """Alice has every second factor, and a session."""
    with_app(app, ALICE)
    with_foreign_passkey(app, ALICE)
    with_codes(app, ALICE)


def due(app: Flask) -> Any:
    with app.app_context():
        return db.session.scalars(
            select(User.factors_end_at).where(User.email == Secret(ALICE))
        ).one()


def make_due(app: Flask, ago: timedelta = timedelta(seconds=1), **mail: Any) -> None:
    """Let the delay be over, and the mail have been sent a day ago, or be as ``mail`` says."""
    began = now() - ago - factor_resets.DELAY
    mail = {"state": "sent", "due_at": now() - timedelta(seconds=1), "created_at": began} | mail
    with app.app_context():
        db.session.execute(update(User).values(factors_end_at=now() - ago))
        db.session.execute(update(Mail).where(Mail.kind == "factors_end").values(mail))
        db.session.commit()


def kinds(app: Flask) -> list[str]:
    return [mail.kind for mail in mails(app, ALICE)]


def is_asked_for_a_factor(app: Flask) -> bool:
    """Whether the right password is not enough."""
    with asking(app):
        found = sign_in.by_password(Secret(ALICE), Secret(PASSWORD))
        db.session.rollback()
        assert found is not None
        return found.proof is None


@asvs("6.4.3", "6.4.4", "6.3.7")
def test_the_owner_is_told_at_once_and_nothing_ends_for_three_days(
    app: Flask, cli: Cli, caplog: pytest.LogCaptureFixture
) -> None:
    done = cli("users", "reset-factors", " Alice@Example.com ")
    assert done.exit_code == 0, done.output
    assert timedelta(days=3) - timedelta(minutes=1) < due(app) - now() <= timedelta(days=3)
    assert "authn_factors_reset_begun" in caplog.messages
    (mail,) = mails(app, ALICE)
    assert mail.kind == "factors_end"
    times = (due(app), due(app) + factor_resets.LAPSE)
    assert "between {:%Y-%m-%d %H:%M} UTC\nand {:%Y-%m-%d %H:%M} UTC".format(*times) in mail.text
    assert "{" not in mail.subject + mail.text
    assert newest_token(app, ALICE) not in done.output
    assert factors_of(app, ALICE) == ALL
    make_due(app, ago=-timedelta(minutes=1))
    assert is_asked_for_a_factor(app)
    assert LIFETIMES["keep"] > factor_resets.DELAY


@asvs("6.4.4", "7.4.3")
def test_after_three_days_a_password_sign_in_removes_the_factors(
    app: Flask, alice: Browser, cli: Cli, log: Callable[[], list[dict[str, Any]]]
) -> None:
    cli("users", "reset-factors", ALICE)
    token = newest_token(app, ALICE)
    make_due(app)
    assert Browser(app, "192.0.2.1").sign_in(ALICE, "wrong").status_code == 401
    assert factors_of(app, ALICE) == ALL
    log()
    owner = Browser(app, "192.0.2.2")
    assert owner.sign_in(ALICE).status_code == SIGNED_IN
    assert factors_of(app, ALICE) == NONE
    assert owner.is_signed_in()
    assert not alice.is_signed_in(), "all other sessions have ended"
    assert due(app) is None
    assert "factors_removed" in kinds(app)
    assert "authn_factors_reset" in {line["event"] for line in log()}
    assert use_link(Browser(app), KEEP, token).status_code == NO_LINK
    with_app(app, ALICE)
    assert is_asked_for_a_factor(app), "a reset is for once"


@asvs("6.4.3", "6.4.4")
@pytest.mark.parametrize(
    "mail",
    [
        {"state": "waiting"},  # the mail server is away
        {"state": "given up"},  # it was away for days
        {"due_at": now() + timedelta(hours=1)},  # it has had the mail for 23 hours
    ],
    ids=lambda mail: str(mail.get("state", "just sent")),
)
def test_nothing_ends_before_the_owner_had_a_day_to_read_the_mail(
    app: Flask, cli: Cli, mail: dict[str, Any]
) -> None:
    cli("users", "reset-factors", ALICE)
    make_due(app, **mail)
    assert is_asked_for_a_factor(app)
    assert factors_of(app, ALICE) == ALL
    make_due(app)
    assert not is_asked_for_a_factor(app)


def test_an_older_mail_that_was_not_sent_delays_no_new_reset(app: Flask, cli: Cli) -> None:
    cli("users", "reset-factors", ALICE)
    make_due(app, state="given up")
    with app.app_context():
        db.session.execute(update(Mail).values(created_at=now() - timedelta(days=4)))
        db.session.commit()
    cli("users", "reset-factors", "--cancel", ALICE)
    cli("users", "reset-factors", ALICE)
    with app.app_context():
        sent = {"state": "sent", "due_at": now() - timedelta(seconds=1)}
        db.session.execute(update(Mail).where(Mail.state == "waiting").values(sent))
        db.session.execute(update(User).values(factors_end_at=now() - timedelta(seconds=1)))
        db.session.commit()
    assert not is_asked_for_a_factor(app)


def test_the_owner_has_at_least_one_day_to_read_the_mail() -> None:
    assert timedelta(days=1) <= outbox.KEEP_SENT


@asvs("6.4.4")
def test_the_owner_keeps_the_factors_in_an_open_session(
    app: Flask, alice: Browser, cli: Cli
) -> None:
    """However old its proof is: it only keeps what is."""
    assert not says_when(alice)
    cli("users", "reset-factors", ALICE)
    with app.app_context():
        db.session.execute(update(Session).values(proven_at=now() - timedelta(days=1)))
        db.session.commit()
    assert says_when(alice)
    assert ready_to_keep(alice)().status_code == RESCUED
    assert due(app) is None
    assert not says_when(alice)
    assert kinds(app) == ["factors_end", "factors_kept"]
    assert "cancelled by somebody who is signed in" in mails(app, ALICE)[-1].text
    assert use_link(Browser(app), KEEP, tokens(app, ALICE)[0]).status_code == NO_LINK
    make = ready_to_keep(alice)
    assert make().status_code == RESCUED, "nothing is pending"
    assert len(kinds(app)) == 2


def test_another_user_cannot_cancel_a_factor_reset(app: Flask, bob: Browser, cli: Cli) -> None:
    cli("users", "reset-factors", ALICE)
    assert ready_to_keep(bob)().status_code == RESCUED
    assert due(app) is not None
    assert Browser(app).post(KEEP_BY_SESSION).status_code >= 300
    assert due(app) is not None


@asvs("6.4.1", "6.4.4")
@pytest.mark.parametrize("late", [False, True])
def test_the_owner_keeps_the_factors_by_the_mailed_link(app: Flask, cli: Cli, late: bool) -> None:
    """Also when the time is over, until somebody signs in."""
    cli("users", "reset-factors", ALICE)
    token = newest_token(app, ALICE)
    if late:
        make_due(app)
    before = fingerprint(app)
    Browser(app, "192.0.2.9").open("GET", f"{KEEP}?token={token}")
    for guess in ("", "x" * 43, token[:-1], token.swapcase()):
        assert use_link(Browser(app), KEEP, guess).status_code == NO_LINK
    assert fingerprint(app) == before
    assert use_link(Browser(app), KEEP, token).status_code == RESCUED
    assert due(app) is None
    assert is_asked_for_a_factor(app)
    assert use_link(Browser(app), KEEP, token).status_code == NO_LINK


def test_a_second_reset_keeps_the_first_time_and_a_new_one_has_a_new_link(
    app: Flask, alice: Browser, cli: Cli
) -> None:
    cli("users", "reset-factors", ALICE)
    first = due(app)
    again = cli("users", "reset-factors", ALICE)
    assert (again.exit_code, due(app), kinds(app)) == (0, first, ["factors_end"])
    ready_to_keep(alice)()
    assert cli("users", "reset-factors", ALICE).exit_code == 0
    assert use_link(Browser(app), KEEP, newest_token(app, ALICE)).status_code == RESCUED


def test_the_operator_cancels_and_sees_it(app: Flask, cli: Cli) -> None:
    assert "reset of factors due: no" in cli("users", "show", ALICE).stdout
    assert "second factors: code, passkey" in cli("users", "show", ALICE).stdout
    assert cli("users", "reset-factors", ALICE, "--cancel").exit_code == 1
    cli("users", "reset-factors", ALICE)
    shown = cli("users", "show", ALICE).stdout
    assert f"reset of factors due: {due(app):%Y-%m-%d %H:%M} UTC" in shown
    done = cli("users", "reset-factors", ALICE, "--cancel")
    assert (done.exit_code, done.stdout) == (0, f"{ALICE} keeps the second factors.\n")
    assert due(app) is None
    assert kinds(app) == ["factors_end", "factors_kept"]
    assert "cancelled by an operator" in mails(app, ALICE)[-1].text


def test_an_account_without_a_second_factor_has_none_to_lose(
    app: Flask, bob: Browser, cli: Cli
) -> None:
    refused = cli("users", "reset-factors", bob.email)
    assert refused.exit_code == 1
    assert "no second factor" in refused.stderr
    assert mails(app, bob.email) == []


@asvs("15.4.2")
@pytest.mark.parametrize("attempt", range(3))
def test_a_sign_in_and_a_cancellation_at_once_run_one_after_the_other(
    app: Flask, alice: Browser, cli: Cli, attempt: int
) -> None:
    """Then the other finds what it has left: nothing is half removed."""
    cli("users", "reset-factors", ALICE)
    make_due(app)
    cancelled: list[bool] = []

    def cancel() -> None:
        with asking(app):
            cancelled.append(factor_resets.cancel_by_session(user_of(ALICE)))
            db.session.commit()

    def enter() -> None:
        with asking(app):
            sign_in.by_password(Secret(ALICE), Secret(PASSWORD))
            db.session.commit()

    at_once(cancel, enter)
    assert due(app) is None
    assert factors_of(app, ALICE) == (ALL if cancelled == [True] else NONE)
    assert ("factors_removed" in kinds(app)) is (cancelled == [False])
    assert ("factors_kept" in kinds(app)) is (cancelled == [True])


@asvs("15.4.2")
def test_a_cancellation_that_overtakes_a_sign_in_counts(
    app: Flask, alice: Browser, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the password is hashed, the owner keeps the second factors."""
    cli("users", "reset-factors", ALICE)
    make_due(app)
    keep, verify = ready_to_keep(alice), sign_in.authentication.verify_password

    def overtaken(*given: Any) -> bool:
        at_once(keep)
        return verify(*given)

    with monkeypatch.context() as patch, asking(app):
        patch.setattr(sign_in.authentication, "verify_password", overtaken)
        found = sign_in.by_password(Secret(ALICE), Secret(PASSWORD))
        assert found is not None
        assert found.proof is None
        db.session.commit()
    assert factors_of(app, ALICE) == ALL


@asvs("6.4.4")
def test_a_reset_that_nobody_uses_lapses(app: Flask, cli: Cli) -> None:
    """A password that is stolen a year later would suffice alone."""
    cli("users", "reset-factors", ALICE)
    make_due(app, factor_resets.LAPSE + timedelta(minutes=1))
    assert is_asked_for_a_factor(app)
    assert cli("users", "reset-factors", ALICE, "--cancel").exit_code == 1, "none is pending"
    assert cli("users", "reset-factors", ALICE).exit_code == 0
    assert due(app) > now()
    assert kinds(app) == ["factors_end"], "a new mail"


@asvs("6.4.4")
def test_a_reset_that_has_lapsed_is_shown_nowhere_and_cancelled_by_nobody(
    app: Flask, alice: Browser, cli: Cli, caplog: pytest.LogCaptureFixture
) -> None:
    """The owner would act on a warning of nothing, and overlook the next one."""
    code, *_ = with_codes(app, ALICE)
    cli("users", "reset-factors", ALICE)
    make_due(app, factor_resets.LAPSE - timedelta(minutes=1))
    assert says_when(alice)
    make_due(app, factor_resets.LAPSE + timedelta(minutes=1))
    assert not says_when(alice)
    assert "reset of factors due: no" in cli("users", "show", ALICE).stdout
    owner = Browser(app, "192.0.2.3")
    password_step(owner, ALICE, PASSWORD)
    assert is_complete(code_step(owner, code))
    assert due(app) is None
    assert "factors_kept" not in kinds(app)
    assert "authn_factors_reset_cancelled" not in caplog.messages


@asvs("6.4.4")
def test_whoever_uses_a_second_factor_needs_no_reset(app: Flask, cli: Cli) -> None:
    """The owner has found the phone: what is set up then would end with a later sign-in."""
    code, *_ = with_codes(app, ALICE)
    cli("users", "reset-factors", ALICE)
    owner = Browser(app, "192.0.2.3")
    password_step(owner, ALICE, PASSWORD)
    assert is_complete(code_step(owner, code))
    assert due(app) is None
    (kept,) = [mail for mail in mails(app, ALICE) if mail.kind == "factors_kept"]
    assert "cancelled by somebody who used a second factor" in " ".join(kept.text.split())


@asvs("6.4.4")
@pytest.mark.parametrize("how", ["after the password", "alone", "as a fresh proof"])
def test_whoever_uses_a_passkey_needs_no_reset(
    app: Flask, alice: Browser, cli: Cli, how: str
) -> None:
    with app.app_context():
        passkeys.remove_all(user_of(ALICE))  # the foreign one, which no authenticator knows
        db.session.commit()
    device = with_passkey(app, ALICE)
    cli("users", "reset-factors", ALICE)
    owner = Browser(app, "192.0.2.3")
    if how == "as a fresh proof":
        assert prove_by_passkey(alice, device.get(step_up_options(alice))).status_code < 400
    else:
        if how == "after the password":
            password_step(owner, ALICE, PASSWORD)
        answer = device.get(passkey_options(owner, alone=how == "alone"))
        assert is_complete(passkey_step(owner, answer, alone=how == "alone"))
    assert due(app) is None
    assert "factors_kept" in kinds(app)


@asvs("6.4.4", "7.4.3")
def test_factors_of_a_disabled_account_are_removed_at_once(app: Flask, cli: Cli) -> None:
    """The thief would cancel every delay by the own passkey."""
    refused = cli("users", "reset-factors", "--now", ALICE)
    assert refused.exit_code == 1
    assert f"flask users disable {ALICE}" in refused.output
    assert factors_of(app, ALICE) == ALL
    cli("users", "disable", ALICE)
    done = cli("users", "reset-factors", "--now", ALICE)
    assert done.exit_code == 0, done.output
    assert factors_of(app, ALICE) == NONE
    assert due(app) is None
    mail = mails(app, ALICE)[-1]
    assert mail.kind == "factors_removed"
    assert "The operator of" in mail.text
    assert cli("users", "reset-factors", "--now", "--cancel", ALICE).exit_code == 2


@asvs("6.4.4")
@slow
def test_a_restore_revives_no_reset_that_was_cancelled(own_service: Flask) -> None:
    """The owner gets no second mail: the first sign-in with a stolen password would be enough."""
    owner = Browser(own_service, "203.0.113.1").signed_in(ALICE)
    with own_service.app_context():
        factor_resets.begin(user_of(ALICE))
        db.session.commit()
    assert flask_db(own_service, "backup", "saved").exit_code == 0
    assert ready_to_keep(owner)().status_code == RESCUED
    assert flask_db(own_service, "restore", "saved").exit_code == 0
    assert due(own_service) is None


@asvs("6.4.4")
def test_a_new_address_by_an_operator_ends_a_reset(app: Flask, cli: Cli) -> None:
    """Its mail went to the old mailbox, and the sessions end: nobody could cancel it."""
    cli("users", "reset-factors", ALICE)
    assert cli("users", "set-address", ALICE, "carol@example.com").exit_code == 0
    with app.app_context():
        assert user_of("carol@example.com").factors_end_at is None
    assert kinds(app) == ["factors_end", "factors_kept", "address_set"]
