"""Attacks on the change of an address: who gets an account into a mailbox of theirs, and keeps it?

The thief of these tests has a session of Alice. Where it is said, the thief has her password too.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from app.auth import account_lock, accounts, address_change, factor_resets, links, throttling
from app.auth.links import Link
from app.auth.models import Session, User
from app.database import db, now
from app.mail import outbox
from app.secret import Secret
from tests.account_actions import change_address, confirm_address, undo_address
from tests.browser import (
    CHANGE_ADDRESS,
    FORM_REFUSED,
    NEW_ADDRESS,
    NO_LINK,
    PAGES,
    PASSWORD,
    SIGNED_IN,
    UNDO_ADDRESS,
    Browser,
)
from tests.factor_actions import needs_proof, prove_by_password
from tests.factors import age_proofs
from tests.mailbox import mails, newest_token
from tests.marks import asvs, practice, slow
from tests.own_data_actions import DELETED, ready_to_delete
from tests.password_actions import ask_for_account, ask_for_reset, open_account, set_password
from tests.races import ALICE
from tests.routes import fingerprint
from tests.statements import recorded

pytestmark = practice("auth.address_change")

NEW, THIEFS, OTHERS = "new@example.com", "thief@example.com", "thief2@example.com"
BOB, NOBODY = "bob@example.com", "nobody@example.com"
NEW_PASSWORD = "kelp-drizzle-9-anvil-tooth"
Log = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def thief(app: Flask, alice: Browser) -> Browser:
    """Somebody elsewhere who has stolen the session of Alice."""
    thief = Browser(app, "192.0.2.66")
    thief.use_credential(alice.credential())
    return thief


def done(answer: TestResponse) -> None:
    assert answer.status_code < 400, answer.text


def ask(browser: Browser, email: str) -> str:
    """Ask for another address; the token of the mail to it."""
    done(change_address(browser, email))
    return newest_token(browser.app, email)


def move(browser: Browser, email: str) -> str:
    """Change the address; the token of the undo, from the mail to the old one."""
    before = address_of(browser)
    done(confirm_address(browser, ask(browser, email)))
    return newest_token(browser.app, before)


def address_of(browser: Browser) -> str:
    """The address of Alice's account, which is the oldest."""
    with browser.app.app_context():
        oldest = select(User.email).order_by(User.id).limit(1)
        return db.session.scalars(oldest).one().reveal()


def signs_in(app: Flask, email: str, password: str = PASSWORD) -> bool:
    visitor = Browser(app, "192.0.2.99")
    return visitor.sign_in(email, password).status_code == SIGNED_IN


@asvs("6.3.7")
def test_the_new_mailbox_is_proven_and_the_old_one_is_told(app: Flask, alice: Browser) -> None:
    token = ask(alice, NEW)
    assert address_of(alice) == ALICE
    assert not mails(app, ALICE)
    done(confirm_address(alice, token))
    assert address_of(alice) == NEW
    assert alice.is_signed_in()
    assert signs_in(app, NEW)
    assert not signs_in(app, ALICE)
    (notice,) = mails(app, ALICE)
    assert notice.kind == "address_changed"


@asvs("7.5.1")
@slow
def test_a_stolen_session_does_not_change_the_address(app: Flask, thief: Browser, log: Log) -> None:
    age_proofs(app)
    log()
    for guess in ("wrong", "", NEW_PASSWORD):
        assert prove_by_password(thief, guess).status_code == 422
        assert needs_proof(change_address(thief, THIEFS))
    assert "authn_step_up_fail" in {line["event"] for line in log()}
    assert not mails(app)
    assert address_of(thief) == ALICE


@asvs("6.3.1")
def test_a_stolen_session_guesses_the_password_no_faster_here(app: Flask, thief: Browser) -> None:
    failed = {"failures": throttling.FREE, "failed_at": now(), "refusals": 0}
    with app.app_context():
        db.session.execute(update(Session).values(failed))
        db.session.commit()
    age_proofs(app)
    assert prove_by_password(thief, PASSWORD).status_code == 422
    assert needs_proof(change_address(thief, THIEFS))
    with app.app_context():
        assert db.session.scalars(select(Session.refusals)).one() == 1
        db.session.execute(update(Session).values(failed_at=now() - throttling.FIRST))
        db.session.commit()
    done(prove_by_password(thief, PASSWORD))
    done(change_address(thief, THIEFS))


def test_strangers_get_few_mails_from_one_account(alice: Browser) -> None:
    answers = [change_address(alice, f"stranger{n}@example.com") for n in range(11)]
    assert [it.status_code for it in answers][-1] == 429
    assert {it.status_code for it in answers[:-1]} <= {202, 302}


@asvs("2.4.1")
def test_a_stranger_gets_few_mails_from_all_accounts(app: Flask, alice: Browser) -> None:
    others = {"address": "192.0.2.1", "link": "", "code": "x"}
    with app.app_context():
        for _ in range(address_change.MAX_MAILS):
            outbox.add(address_change.KIND, Secret(NEW), others)
        outbox.add(address_change.KIND, Secret(BOB), others, deliver=False)  # nobody got that
        db.session.commit()
    for email in (NEW, BOB):
        done(change_address(alice, email))
    assert len(mails(app, NEW)) == address_change.MAX_MAILS == 10
    assert len(mails(app, BOB)) == 1


def test_deleting_an_account_keeps_mails_of_other_users(
    app: Flask, alice: Browser, bob: Browser
) -> None:
    """Bob has Alice's password, and types her address as his new one: she is to be told nothing."""
    done(change_address(bob, ALICE))
    undo = move(alice, NEW)
    assert ready_to_delete(bob)().status_code == DELETED
    assert [mail.kind for mail in mails(app, ALICE)] == ["address_changed"]
    done(undo_address(alice, undo, NEW_PASSWORD))
    assert address_of(alice) == ALICE


@asvs("6.3.8")
def test_nothing_tells_whether_the_new_address_has_an_account(
    app: Flask, alice: Browser, bob: Browser
) -> None:
    done(change_address(alice, "warm@example.com"))  # what is cached, is cached
    seen = []
    for email in (NOBODY, bob.email):
        with recorded(app) as statements:
            answer = change_address(alice, email)
        done(answer)
        seen.append((answer.status, answer.text, sorted(answer.headers.keys()), statements))
    assert seen[0] == seen[1]
    assert mails(app, NOBODY)
    assert not mails(app, bob.email)


@asvs("8.2.2")
def test_a_token_is_for_one_purpose(app: Flask, alice: Browser) -> None:
    email = ask(alice, NEW)
    done(ask_for_reset(alice, ALICE))
    reset = newest_token(app, ALICE)
    done(ask_for_account(alice, OTHERS))
    confirm = newest_token(app, OTHERS)
    before = fingerprint(app)
    for wrong in (reset, confirm, "", "x" * 43, email[:-1]):
        assert confirm_address(alice, wrong).status_code in (NO_LINK, 422)
    for wrong in (reset, confirm, email):
        assert undo_address(alice, wrong, NEW_PASSWORD).status_code == NO_LINK
    assert set_password(alice, email, NEW_PASSWORD).status_code == NO_LINK
    assert open_account(alice, email, NEW_PASSWORD).status_code == NO_LINK
    assert fingerprint(app) == before
    done(confirm_address(alice, email))
    undo = newest_token(app, ALICE)
    assert confirm_address(alice, undo).status_code == NO_LINK
    assert set_password(alice, undo, NEW_PASSWORD).status_code == NO_LINK
    done(undo_address(alice, undo, NEW_PASSWORD))


@asvs("8.2.2")
def test_the_token_of_another_account_counts_for_nobody_else(
    app: Flask, alice: Browser, bob: Browser, browser: Browser
) -> None:
    """Bob opens a link that Alice has asked for: her account must not get his address."""
    token = ask(alice, NEW)
    before = fingerprint(app)
    assert confirm_address(bob, token).status_code == NO_LINK
    assert confirm_address(browser, token).status_code == 401
    if PAGES:
        assert bob.get(f"{NEW_ADDRESS}?token={token}").status_code == NO_LINK
        assert token not in browser.get(f"{NEW_ADDRESS}?token={token}").text
    assert fingerprint(app) == before
    done(confirm_address(alice, token))


def test_each_link_counts_once(app: Flask, alice: Browser) -> None:
    token = ask(alice, NEW)
    done(confirm_address(alice, token))
    assert confirm_address(alice, token).status_code == NO_LINK
    undo = newest_token(app, ALICE)
    done(undo_address(alice, undo, NEW_PASSWORD))
    assert undo_address(alice, undo, PASSWORD).status_code == NO_LINK
    assert signs_in(app, ALICE, NEW_PASSWORD)


@pytest.mark.parametrize("purpose", ["email", "undo"])
def test_an_expired_link_does_not_count(app: Flask, alice: Browser, purpose: links.Purpose) -> None:
    token = ask(alice, NEW) if purpose == "email" else move(alice, NEW)
    before = address_of(alice)
    with app.app_context():
        lifetime = db.session.scalars(select(Link).where(Link.purpose == purpose)).one().expires_at
        assert abs(lifetime - now() - links.LIFETIMES[purpose]) < timedelta(minutes=1)
        db.session.execute(update(Link).values(expires_at=now() - timedelta(seconds=1)))
        db.session.commit()
    use = confirm_address if purpose == "email" else undo_address
    rest = () if purpose == "email" else (NEW_PASSWORD,)
    assert use(alice, token, *rest).status_code == NO_LINK
    assert address_of(alice) == before


@asvs("3.5.3")
def test_to_open_a_link_changes_nothing(app: Flask, alice: Browser) -> None:
    """A mail scanner does it, and so does an image on a page of the thief."""
    links_of: dict[str, Callable[[], str]] = {
        NEW_ADDRESS: lambda: ask(alice, NEW),
        UNDO_ADDRESS: lambda: move(alice, OTHERS),
    }
    for path, make in links_of.items():
        token = make()
        before = fingerprint(app)
        for _ in range(2):
            assert alice.get(f"{path}?token={token}").status_code == (200 if PAGES else 405)
        assert fingerprint(app) == before


@asvs("3.5.1")
def test_another_site_changes_no_address(app: Flask, alice: Browser) -> None:
    token = ask(alice, NEW)
    before = fingerprint(app)
    bodies = {
        CHANGE_ADDRESS: {"email": THIEFS},
        NEW_ADDRESS: {"token": token},
        UNDO_ADDRESS: {"token": token, "password": NEW_PASSWORD, "confirm": NEW_PASSWORD},
    }
    for path, body in bodies.items():
        assert alice.post_form(path, body).status_code in (FORM_REFUSED, 405)
        foreign = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
        assert alice.post_form(path, body, headers=foreign).status_code == 403
    assert fingerprint(app) == before


# --- What the mails say


def test_mails_name_our_host_and_nothing_that_somebody_typed(app: Flask, alice: Browser) -> None:
    """Whoever asks chooses the Host header, and the new address: a mail would carry both."""
    alice.own_headers = {
        **alice.own_headers,
        "X-Forwarded-Host": "evil.example",
        "Forwarded": "host=evil.example",
    }
    move(alice, NEW)
    for mail in mails(app):
        assert "evil.example" not in mail.subject + mail.text
        assert NEW not in mail.subject + mail.text
        assert alice.address in mail.text
    assert len(mails(app)) == 2
    refused = alice.get(CHANGE_ADDRESS, base_url="https://evil.example")
    assert refused.status_code == 400


@asvs("1.3.3")
@pytest.mark.parametrize(
    "email",
    [
        "new@example.com\r\nBcc: victim@example.com",
        "new\r\n@example.com",
        "new@example.com, victim@example.com",
        "New <new@example.com>",
        "new@example.com\0",
        "new%0d%0a@exam ple.com",
        '"new victim"@example.com',
    ],
)
def test_no_header_is_injected(app: Flask, alice: Browser, email: str) -> None:
    assert change_address(alice, email).status_code == 422
    assert not mails(app)


def test_the_current_address_is_refused_as_a_new_one(app: Flask, alice: Browser) -> None:
    assert change_address(alice, "Alice@example.com").status_code == 422
    assert not mails(app)


# --- Whose is an address?


def test_an_address_that_was_taken_meanwhile_stays_with_its_owner(
    app: Flask, alice: Browser
) -> None:
    token = ask(alice, NEW)
    Browser(app, "203.0.113.9").signed_in(NEW)
    answer = confirm_address(alice, token)
    assert answer.status_code == 409
    assert address_change.TAKEN in answer.text
    assert address_of(alice) == ALICE


def test_a_change_cannot_be_undone_after_a_sign_up_with_the_old_address(
    app: Flask, alice: Browser
) -> None:
    undo = move(alice, NEW)
    Browser(app, "203.0.113.9").sign_up(ALICE)
    answer = undo_address(alice, undo, NEW_PASSWORD)
    assert answer.status_code == 409
    assert address_change.TAKEN in answer.text
    assert address_of(alice) == NEW
    assert signs_in(app, NEW)  # and the password is the old one: all or nothing
    assert alice.is_signed_in()


def test_an_account_that_was_disabled_meanwhile_keeps_its_address(
    app: Flask, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the request waits for the lock: a thief would have the account once it is enabled."""
    token = ask(alice, NEW)
    lock = account_lock.lock

    def disabled_first(user: User) -> bool:
        with app.app_context():
            same = db.session.get_one(User, user.id)
            assert lock(same)
            accounts.disable(same)
            db.session.commit()
        return lock(user)

    with monkeypatch.context() as patch:
        patch.setattr(account_lock, "lock", disabled_first)
        assert confirm_address(alice, token).status_code == 401
    assert address_of(alice) == ALICE


def test_a_reset_that_waits_in_the_old_mailbox_ends(app: Flask, alice: Browser) -> None:
    """The next account of that address would get its password from it."""
    done(ask_for_reset(alice, ALICE))
    reset = newest_token(app, ALICE)
    move(alice, NEW)
    assert set_password(alice, reset, NEW_PASSWORD).status_code == NO_LINK
    Browser(app, "203.0.113.9").signed_in(ALICE)
    assert set_password(alice, reset, NEW_PASSWORD).status_code == NO_LINK


@pytest.mark.parametrize(
    ("age", "told"), [(timedelta(days=6), {ALICE, NEW}), (timedelta(days=8), {NEW})]
)
def test_the_old_address_gets_a_mail_about_a_deletion(
    app: Flask, alice: Browser, age: timedelta, told: set[str]
) -> None:
    """A thief deletes what was moved; later, the former mailbox may be somebody else's."""
    move(alice, NEW)
    with app.app_context():
        for link in db.session.scalars(select(Link)):
            link.expires_at -= age
        db.session.commit()
    assert ready_to_delete(alice)().status_code == DELETED
    assert {mail.recipient for mail in mails(app) if mail.kind == "deleted"} == told


# --- The thief knows the password


@asvs("6.3.7")
def test_the_owner_undoes_what_a_thief_did(app: Flask, alice: Browser, thief: Browser) -> None:
    undo = move(thief, THIEFS)
    pending = ask(thief, OTHERS)
    done(ask_for_reset(thief, THIEFS))
    reset = newest_token(app, THIEFS)
    with app.app_context():
        db.session.execute(update(User).values(failures=90, failed_at=now()))
        db.session.commit()
    owner = Browser(app, "203.0.113.3")
    done(undo_address(owner, undo, NEW_PASSWORD))
    assert address_of(alice) == ALICE
    assert not thief.is_signed_in()
    assert not signs_in(app, THIEFS)
    assert not signs_in(app, ALICE)
    assert owner.sign_in(ALICE, NEW_PASSWORD).status_code == SIGNED_IN
    assert confirm_address(owner, pending).status_code == NO_LINK
    assert set_password(thief, reset, PASSWORD).status_code == NO_LINK
    told = {mail.recipient for mail in mails(app) if mail.kind == "address_restored"}
    assert told == {ALICE, THIEFS}


@pytest.mark.parametrize("first", ["owner", "thief"])
@slow
def test_undo_of_the_first_change_also_reverts_a_second_change(
    app: Flask, thief: Browser, first: str
) -> None:
    """The second change has its own undo, in the thief's mailbox: it must not beat the owner's."""
    owners, thiefs = move(thief, THIEFS), move(thief, OTHERS)
    if first == "thief":
        done(undo_address(thief, thiefs, "gravel-piano-3-umbrella-mist"))
        assert address_of(thief) == THIEFS
    done(undo_address(Browser(app), owners, NEW_PASSWORD))
    assert address_of(thief) == ALICE
    assert undo_address(thief, thiefs, PASSWORD).status_code == NO_LINK
    assert address_of(thief) == ALICE
    assert signs_in(app, ALICE, NEW_PASSWORD)


def test_a_second_theft_can_be_undone_as_well(app: Flask, alice: Browser, thief: Browser) -> None:
    """No pause between two mails keeps the owner from the second link."""
    done(undo_address(alice, move(thief, THIEFS), NEW_PASSWORD))
    again = Browser(app, "192.0.2.67")
    again.sign_in(ALICE, NEW_PASSWORD)
    done(change_address(again, OTHERS))
    done(confirm_address(again, newest_token(app, OTHERS)))
    done(undo_address(alice, newest_token(app, ALICE), PASSWORD))
    assert address_of(alice) == ALICE


def test_a_new_password_ends_a_reset_that_waits(app: Flask, alice: Browser) -> None:
    """Of somebody who was in the mailbox for a moment."""
    done(ask_for_reset(Browser(app), ALICE))
    token = newest_token(app, ALICE)
    done(alice.change_password(PASSWORD, NEW_PASSWORD))
    assert set_password(Browser(app), token, PASSWORD).status_code == NO_LINK
    assert signs_in(app, ALICE, NEW_PASSWORD)


@pytest.mark.parametrize("way", ["change", "reset"])
def test_a_new_password_ends_a_change_that_waits(
    app: Flask, alice: Browser, thief: Browser, way: str
) -> None:
    token = ask(thief, THIEFS)
    if way == "change":
        done(alice.change_password(PASSWORD, NEW_PASSWORD))
    else:
        done(ask_for_reset(alice, ALICE))
        done(set_password(alice, newest_token(app, ALICE), NEW_PASSWORD))
        alice.sign_in(ALICE, NEW_PASSWORD)
    assert confirm_address(alice, token).status_code == NO_LINK
    assert address_of(alice) == ALICE


@asvs("6.4.4")
@pytest.mark.parametrize("way", ["change", "undo"])
def test_a_new_address_ends_a_reset_of_second_factors(
    app: Flask, alice: Browser, thief: Browser, way: str
) -> None:
    """The mail about the reset went to the other mailbox: who has this one could not cancel it."""
    token = ask(thief, THIEFS) if way == "change" else move(thief, THIEFS)
    with app.app_context():
        factor_resets.begin(db.session.scalars(select(User)).one())
        db.session.commit()
    done(
        confirm_address(thief, token)
        if way == "change"
        else undo_address(alice, token, NEW_PASSWORD)
    )
    with app.app_context():
        assert db.session.scalars(select(User.factors_end_at)).one() is None
    (kept,) = [mail for mail in mails(app) if mail.kind == "factors_kept"]
    assert kept.recipient == ALICE
    assert "cancelled by a change of address" in " ".join(kept.text.split())


def test_a_disabled_account_gets_its_address_back_and_stays_disabled(
    app: Flask, alice: Browser, thief: Browser, cli: Callable[..., Any]
) -> None:
    """The operator has stopped the thief; the owner must not lose the 7 days by it."""
    undo = move(thief, THIEFS)
    assert cli("users", "disable", THIEFS).exit_code == 0
    done(undo_address(alice, undo, NEW_PASSWORD))
    assert address_of(alice) == ALICE
    assert not signs_in(app, ALICE, NEW_PASSWORD)
    assert cli("users", "enable", ALICE).exit_code == 0
    assert signs_in(app, ALICE, NEW_PASSWORD)
