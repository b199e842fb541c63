"""Step-up: what a stolen session must not do, and what passes for a fresh proof."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import webauthn
from flask import Flask
from sqlalchemy import delete, select, update
from werkzeug.test import TestResponse

from app.auth import (
    account_lock,
    authentication,
    revocation,
    sessions,
    step_up,
    throttling,
    tickets,
)
from app.auth.models import Session, User
from app.auth.step_up import FRESH
from app.database import db, now
from app.secret import Secret
from app.security.access import is_public, needs_fresh_proof
from tests.account_actions import (
    change_address,
    ready_to_change_address,
    ready_to_change_password,
    ready_to_confirm_address,
)
from tests.accounts import start_session
from tests.actions import ready_to_post
from tests.authenticator import Authenticator
from tests.browser import CHALLENGED, CHANGED, PAGES, PASSWORD, PASSWORD_SET, Browser
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
    passkey_options,
    passkey_step,
    password_step,
    prove_by_code,
    prove_by_passkey,
    prove_by_password,
    remove_app,
    remove_passkey,
    step_up_options,
)
from tests.factors import (
    Clock,
    age_proofs,
    age_tickets,
    asking,
    prove,
    user_of,
    with_app,
    with_codes,
    with_passkey,
)
from tests.flows import RESET
from tests.mailbox import mails, newest_token
from tests.marks import asvs, practice
from tests.overtaking import Overtaking, TakenId, and_then
from tests.password_actions import set_password
from tests.races import ALICE, at_once
from tests.resources import NEW_PASSWORD, accepted, add_all
from tests.routes import fingerprint, own_path, routes
from tests.security.client import encode, fields_of_routes, proof

pytestmark = practice("auth.step_up")

BOB = "bob@example.com"
THIEF = "203.0.113.66"
# What concerns the account: the account pages, and the API about the user. A new route there asks
# for a fresh proof, unless its name is here with the reason.
OF_ACCOUNT = re.compile(r"^/(account|api/v1/me)(/|$)")
WITHOUT_PROOF = {
    # It shows what a signed-in user may see, and changes nothing.
    "account.index",
    "me.profile",
    "second_factors.index",
    "sessions.index",
    "personal_tokens.index",
    # It takes the proof.
    "step_up.prove",
    "step_up.options",
    "step_up.passkey",
    # It keeps the second factors, against somebody who has asked for their removal.
    "rescue.keep_by_session",
}
# What asks for a fresh proof in any case, by a word of its address.
SENSITIVE = ("password", "email", "passkeys", "recovery-codes", "export", "delete")
SENSITIVE += ("/authenticator",) if PAGES else ("/app",)


@pytest.fixture(autouse=True)
def accounts_of_two(alice: Browser, bob: Browser) -> None:
    """Alice and bob have an account and a session each, freshly proven by the password."""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def secret(app: Flask, clock: Clock) -> str:
    """The secret of alice's app."""
    return with_app(app, ALICE)


def is_fresh(browser: Browser) -> bool:
    """Whether this session may do what asks for a fresh proof."""
    response = browser.get(FRESH_PAGES[hasattr(browser, "access_token")])
    assert response.status_code == 200 or needs_proof(response), response.status
    return response.status_code == 200


# By whether it is the API.
FRESH_PAGES = {False: "/account/delete", True: "/api/v1/me/export"}


def session_of(app: Flask, email: str = ALICE) -> Session:
    """The newest session of an account."""
    with app.app_context():
        mine = select(Session).where(Session.user == user_of(email)).order_by(Session.id.desc())
        return db.session.scalars(mine).all()[0]


# --- Which routes


@asvs("7.5.1", "7.5.3")
def test_every_sensitive_route_asks_for_a_fresh_proof(app: Flask) -> None:
    found = set()
    for route in routes(app):
        if is_public(app, route.endpoint) or not OF_ACCOUNT.search(route.rule):
            continue
        asks = needs_fresh_proof(app, route.endpoint)
        assert asks or route.endpoint in WITHOUT_PROOF, (
            f"{route}: a stolen session may use it. Write @fresh right below its route decorator,"
            " or the endpoint into WITHOUT_PROOF, with the reason."
        )
        found |= {route.rule} if asks else set()
    for word in SENSITIVE:
        assert [rule for rule in found if word in rule], word


@asvs("7.5.1", "7.5.3", "8.2.1")
def test_sensitive_routes_give_nothing_to_a_stale_session(app: Flask, alice: Browser) -> None:
    """With the right fields and the right token of the form: only the proof is missing."""
    add_all(app, ALICE)
    taken, headers = fields_of_routes(app, alice, alice), proof(alice)
    age_proofs(app)
    before = fingerprint(app)
    refused = set()
    for route in routes(app):
        if not needs_fresh_proof(app, route.endpoint) or route.method == "OPTIONS":
            continue
        sent = encode(accepted(route.endpoint, taken.get(route.endpoint, set())))
        answer = alice.open(route.method, own_path(app, route, ALICE), headers=headers, **sent)
        assert needs_proof(answer), f"{route} answers {answer.status}"
        refused.add(route.endpoint)
    assert len(refused) >= 10
    assert fingerprint(app) == before
    assert alice.is_signed_in()


@asvs("7.5.3")
def test_nothing_of_an_account_changes_by_a_stale_session(
    app: Flask, alice: Browser, clock: Clock, secret: str
) -> None:
    device = with_passkey(app, ALICE)
    with_codes(app, ALICE)
    prove(app, ALICE, "code")
    (passkey,) = passkey_ids(alice)
    age_proofs(app)
    before = fingerprint(app)
    for response in (
        begin_app(alice)[0],
        confirm_app(alice, clock.code(secret)),
        remove_app(alice),
        new_recovery_codes(alice),
        add_passkey(alice, device.create(step_up_options_as_new(device))),
        remove_passkey(alice, passkey),
        ready_to_change_address_now(alice),
    ):
        assert needs_proof(response), response.status
    assert new_passkey_options(alice) == {}
    assert fingerprint(app) == before


def step_up_options_as_new(device: Authenticator) -> dict[str, Any]:
    """Options that nobody has given."""
    return {
        "challenge": "A" * 43,
        "rp": {"id": device.stored[0].rp_id},
        "user": {"id": "A" * 43},
    }


def ready_to_change_address_now(browser: Browser) -> TestResponse:
    """The change of address, as a stale session sends it."""
    return change_address(browser, "thief@example.com")


@asvs("7.5.1")
@pytest.mark.parametrize(
    ("age", "fresh"), [(FRESH - timedelta(seconds=20), True), (FRESH + timedelta(seconds=1), False)]
)
def test_a_proof_is_fresh_for_ten_minutes(
    app: Flask, alice: Browser, age: timedelta, fresh: bool
) -> None:
    assert timedelta(minutes=10) == FRESH
    age_proofs(app, age)
    assert is_fresh(alice) == fresh


def test_a_session_from_before_has_no_proof(app: Flask, alice: Browser) -> None:
    with app.app_context():
        for session in db.session.scalars(select(Session)):
            session.proof, session.proven_at = "", None
        db.session.commit()
    assert alice.is_signed_in()
    assert not is_fresh(alice)


def test_activity_is_no_fresh_proof(app: Flask, alice: Browser) -> None:
    age_proofs(app)
    for _ in range(3):
        assert alice.is_signed_in()
    assert not is_fresh(alice)


def test_a_new_password_is_no_fresh_proof(app: Flask, alice: Browser) -> None:
    """Whoever knows the password would put off the second factor again and again."""
    send = ready_to_change_password(alice, NEW_PASSWORD)
    with app.app_context():
        before = session_of(app).proven_at
    age_proofs(app, timedelta(minutes=5))
    assert send().status_code == CHANGED
    with app.app_context():
        after = session_of(app).proven_at
    assert after
    assert before
    assert after < before


# --- What is a proof


@asvs("7.5.1")
def test_the_password_is_a_proof_where_there_is_no_second_factor(
    app: Flask, alice: Browser, bob: Browser
) -> None:
    age_proofs(app)
    assert prove_by_password(alice, "wrong").status_code in (401, 422)
    assert not is_fresh(alice)
    prove_by_password(alice, PASSWORD)
    assert is_fresh(alice)
    assert not is_fresh(bob)


@asvs("7.5.3", "6.3.3")
def test_the_password_is_no_proof_where_there_is_a_second_factor(
    app: Flask, alice: Browser, secret: str
) -> None:
    """A thief who has the password would remove what it cannot pass."""
    age_proofs(app)
    prove_by_password(alice, PASSWORD)
    assert not is_fresh(alice)
    assert session_of(app).proven_at < now() - FRESH


@asvs("7.5.3", "6.3.3")
def test_a_young_sign_in_by_password_is_no_proof_any_more(
    app: Flask, alice: Browser, secret: str
) -> None:
    """It began before the second factor was set up, in another browser."""
    assert session_of(app).proof == "password"
    assert not is_fresh(alice)
    assert needs_proof(remove_app(alice))


@asvs("7.5.3", "6.3.3")
def test_a_passkey_alone_makes_the_password_no_proof(app: Flask, alice: Browser) -> None:
    with_passkey(app, ALICE)
    assert not is_fresh(alice)
    prove_by_password(alice, PASSWORD)
    assert not is_fresh(alice)


@asvs("7.5.1", "7.5.3")
def test_codes_and_passkeys_are_proofs(
    app: Flask, alice: Browser, clock: Clock, secret: str
) -> None:
    device, codes = with_passkey(app, ALICE), with_codes(app, ALICE)
    for give in (
        lambda: prove_by_code(alice, clock.code(secret)),
        lambda: prove_by_code(alice, codes[0]),
        lambda: prove_by_passkey(alice, device.get(step_up_options(alice))),
    ):
        age_proofs(app)
        assert not is_fresh(alice)
        give()
        assert is_fresh(alice)


@asvs("7.5.1", "6.3.3")
def test_a_sign_in_by_a_second_factor_is_a_proof(app: Flask, clock: Clock, secret: str) -> None:
    device = with_passkey(app, ALICE)
    browser = Browser(app)
    assert needs_second_step(password_step(browser, ALICE, PASSWORD))
    assert is_complete(code_step(browser, clock.code(secret)))
    assert is_fresh(browser)
    other = Browser(app, "192.0.2.8")
    options = passkey_options(other, alone=True)
    assert is_complete(passkey_step(other, device.get(options), alone=True))
    assert is_fresh(other)


@asvs("6.5.1")
def test_a_code_proves_once(app: Flask, alice: Browser, clock: Clock, secret: str) -> None:
    """Neither a code that signed in, nor one that was a proof before."""
    code, codes = clock.code(secret), with_codes(app, ALICE)
    thief = Browser(app, THIEF)
    assert needs_second_step(password_step(thief, ALICE, PASSWORD))
    assert is_complete(code_step(thief, code))
    age_proofs(app)
    prove_by_code(alice, code)
    assert not is_fresh(alice)
    prove_by_code(alice, codes[0])
    assert is_fresh(alice)
    age_proofs(app)
    prove_by_code(alice, codes[0])
    assert not is_fresh(alice)


@asvs("7.5.1", "8.2.2")
def test_a_proof_of_another_user_is_refused(
    app: Flask, alice: Browser, bob: Browser, clock: Clock, secret: str
) -> None:
    """GHSA-f66q-9rf6-8795, GHSA-97r5-pg8x-p63p: a thief proves a stolen session by the own key."""
    with_passkey(app, ALICE)
    bobs, code, codes = with_passkey(app, BOB), with_app(app, BOB), with_codes(app, BOB)
    age_proofs(app)
    prove_by_passkey(alice, bobs.get(step_up_options(alice), stored=bobs.stored[0]))
    assert not is_fresh(alice)
    prove_by_passkey(bob, bobs.get(step_up_options(bob)))
    assert is_fresh(bob)
    answer = bobs.get(step_up_options(bob))
    copy_ticket_alone(bob, alice)
    prove_by_passkey(alice, answer)
    assert not is_fresh(alice)
    for text in (clock.code(code), codes[0]):
        prove_by_code(alice, text)
        assert not is_fresh(alice)


def copy_ticket_alone(browser: Browser, thief: Browser) -> None:
    """Let a session send the ticket of another; a cookie with a ticket has its session, too."""
    if hasattr(browser, "ticket"):
        copied, thief.ticket = browser.ticket, ""
        thief.ticket = copied
        return
    from tests.browser import ORIGIN

    with browser.client.session_transaction(base_url=ORIGIN) as cookie:
        ticket = cookie.get("ticket")
    with thief.client.session_transaction(base_url=ORIGIN) as cookie:
        cookie["ticket"] = ticket


@asvs("7.5.1")
def test_a_challenge_of_one_session_proves_no_other(
    app: Flask, alice: Browser, clock: Clock, secret: str
) -> None:
    """A thief's page passes its challenge on to the owner, who proves who they are at it."""
    device = with_passkey(app, ALICE)
    thief = Browser(app, THIEF)
    assert needs_second_step(password_step(thief, ALICE, PASSWORD))
    assert is_complete(code_step(thief, clock.code(secret)))
    age_proofs(app)
    thiefs, owners = step_up_options(thief), step_up_options(alice)
    prove_by_passkey(thief, device.get(owners))
    assert not is_fresh(thief)
    answer = device.get(step_up_options(alice))
    copy_ticket_alone(alice, thief)
    prove_by_passkey(thief, answer)
    assert not is_fresh(thief)
    assert thiefs != owners


@asvs("7.5.1")
def test_an_answer_for_a_sign_in_is_no_proof(app: Flask, alice: Browser) -> None:
    device = with_passkey(app, ALICE)
    age_proofs(app)
    browser = Browser(app, THIEF)
    answer = device.get(passkey_options(browser, alone=True))
    step_up_options(alice)
    prove_by_passkey(alice, answer)
    assert not is_fresh(alice)
    copy_ticket_alone(browser, alice)
    prove_by_passkey(alice, answer)
    assert not is_fresh(alice)


@asvs("7.5.1")
def test_a_passkey_without_verification_is_no_proof(app: Flask, alice: Browser) -> None:
    device = with_passkey(app, ALICE)
    age_proofs(app)
    for hostile in ({"flags": 1}, {"origin": "https://evil.example"}, {"signature": b"0"}):
        prove_by_passkey(alice, device.get(step_up_options(alice), **hostile))
        assert not is_fresh(alice)


@asvs("6.5.5")
def test_a_challenge_for_a_proof_ends(app: Flask, alice: Browser) -> None:
    device = with_passkey(app, ALICE)
    age_proofs(app)
    answer = device.get(step_up_options(alice))
    age_tickets(app, timedelta(minutes=6))
    prove_by_passkey(alice, answer)
    assert not is_fresh(alice)


# --- The session after it


@asvs("7.2.4")
@pytest.mark.parametrize("by", ["password", "code", "passkey"])
def test_a_proof_gives_the_session_a_new_token(
    app: Flask, alice: Browser, clock: Clock, by: str
) -> None:
    """Whoever has copied the old one has nothing, least of all a fresh session."""
    secret = with_app(app, ALICE) if by != "password" else ""
    device = with_passkey(app, ALICE) if by == "passkey" else None
    age_proofs(app)
    thief = Browser(app, THIEF)
    thief.use_credential(alice.credential())
    assert thief.is_signed_in()
    refresh = getattr(alice, "refresh_token", "")
    if by == "password":
        prove_by_password(alice, PASSWORD)
    elif device is None:
        prove_by_code(alice, clock.code(secret))
    else:
        prove_by_passkey(alice, device.get(step_up_options(alice)))
    assert is_fresh(alice)
    assert not thief.is_signed_in()
    if refresh:
        assert thief.refresh(refresh).status_code == 401
        assert alice.is_signed_in()
    with app.app_context():
        assert (
            len(db.session.scalars(select(Session).where(Session.user == user_of(ALICE))).all())
            == 1
        )


@asvs("7.2.4")
def test_a_new_factor_gives_the_session_a_new_token(
    app: Flask, alice: Browser, clock: Clock
) -> None:
    thief = Browser(app, THIEF)
    thief.use_credential(alice.credential())
    _, secret = begin_app(alice)
    confirm_app(alice, clock.code(secret))
    assert is_fresh(alice)
    assert not thief.is_signed_in()


# --- Guessing


@asvs("6.3.1", "2.4.1")
def test_a_thief_of_a_session_has_five_tries(
    app: Flask, alice: Browser, clock: Clock, secret: str
) -> None:
    """In five minutes, from whatever address; the owner's other session goes on."""
    thief, owner = Browser(app, THIEF), Browser(app, "192.0.2.40")
    assert needs_second_step(password_step(owner, ALICE, PASSWORD))
    assert is_complete(code_step(owner, clock.code(secret)))
    clock.next_step()
    thief.use_credential(alice.credential())
    age_proofs(app)
    statuses = []
    for number in range(6):
        thief.address = f"203.0.113.{number}"
        statuses.append(prove_by_code(thief, clock.wrong(secret)).status_code)
    assert 429 not in statuses[:5]
    assert statuses[5] == 429
    assert prove_by_code(owner, clock.code(secret)).status_code < 400
    assert is_fresh(owner)
    assert not is_fresh(thief)


@asvs("2.4.1")
def test_a_session_has_no_tries_of_one_that_has_ended(
    app: Flask, alice: Browser, clock: Clock, secret: str
) -> None:
    """SQLite gives it the same id."""
    age_proofs(app)
    tries = [prove_by_code(alice, clock.wrong(secret)).status_code for _ in range(6)]
    assert tries[5] == 429
    with app.app_context():
        revocation.revoke_all()
    assert needs_second_step(password_step(alice, ALICE, PASSWORD))
    assert is_complete(code_step(alice, clock.code(secret)))
    clock.next_step()
    age_proofs(app)
    assert prove_by_code(alice, clock.code(secret)).status_code < 400


@asvs("6.3.1")
def test_wrong_proofs_are_counted_for_the_account(
    app: Flask, alice: Browser, clock: Clock, secret: str
) -> None:
    age_proofs(app)
    prove_by_code(alice, clock.wrong(secret))
    device = with_passkey(app, ALICE)
    prove_by_passkey(alice, device.get(step_up_options(alice), flags=1))
    with app.app_context():
        assert user_of(ALICE).failures == 2
        assert session_of(app).failures == 2


@asvs("16.3.1")
def test_wrong_proofs_are_logged(
    app: Flask, alice: Browser, clock: Clock, secret: str, log: Callable[[], list[dict[str, Any]]]
) -> None:
    age_proofs(app)
    log()
    wrong = clock.wrong(secret)
    prove_by_code(alice, wrong)
    lines = log()
    assert "authn_step_up_fail" in [line.get("event") for line in lines]
    assert wrong not in str([{**line, "time": ""} for line in lines])


@asvs("16.3.1")
def test_a_wrong_password_as_a_proof_is_logged(
    app: Flask, alice: Browser, log: Callable[[], list[dict[str, Any]]]
) -> None:
    age_proofs(app)
    log()
    prove_by_password(alice, "wrong")
    assert "authn_step_up_fail" in [line.get("event") for line in log()]


def test_a_failure_at_the_sign_in_does_not_keep_the_owner_from_a_proof(
    app: Flask, alice: Browser, clock: Clock, secret: str
) -> None:
    for number in range(11):
        assert not is_complete(password_step(Browser(app, f"203.0.113.{number}"), ALICE, "wrong"))
    age_proofs(app)
    prove_by_code(alice, clock.code(secret))
    assert is_fresh(alice)


@asvs("6.3.1")
def test_after_a_wrong_proof_the_answer_says_what_helps(app: Flask, alice: Browser) -> None:
    """The session counts: neither the mailed link nor waiting resets a hundred failures in it."""
    for answer in (
        prove_by_password(alice, "wrong"),
        alice.change_password("wrong", NEW_PASSWORD),
        prove_by_passkey(alice, {}),
    ):
        assert throttling.SESSION_HINT in answer.text
        assert throttling.HINT not in answer.text
    with app.app_context():
        db.session.execute(update(Session).values(failures=throttling.MAX_FAILURES, failed_at=None))
        db.session.commit()
    age_proofs(app)
    prove_by_password(alice, PASSWORD)
    assert not is_fresh(alice)
    assert is_complete(password_step(alice, ALICE, PASSWORD))
    age_proofs(app)
    prove_by_password(alice, PASSWORD)
    assert is_fresh(alice)


# --- A thief in the middle of something, while the owner throws everybody out


def owner_resets(app: Flask) -> Callable[[], None]:
    token = RESET.token(app)

    def end() -> None:
        done = set_password(Browser(app, "192.0.2.50"), token, NEW_PASSWORD)
        assert done.status_code == PASSWORD_SET

    return end


def overtaken(
    app: Flask,
    monkeypatch: pytest.MonkeyPatch,
    act: Callable[[], Any],
    moment: tuple[Any, str] = (step_up, "needed"),
    ending: Callable[[Flask], Callable[[], None]] = owner_resets,
) -> Any:
    """What ``act`` gets while the owner ends its session, start to end, after this moment.

    By default, the thief has just been let through to the route, and the owner sets a new password.
    """
    overtaking = Overtaking()
    end = overtaking.second(ending(app), waits=True)
    begin = overtaking.first(act)
    with monkeypatch.context() as patch:
        patch.setattr(*moment, overtaking.pausing(getattr(*moment)))
        answer, _ = at_once(begin, end)
    return answer


@asvs("7.4.3", "15.4.2")
def test_an_app_is_not_enabled_by_a_session_that_has_just_ended(
    app: Flask, alice: Browser, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The owner would be locked out for good by the thief's phone."""
    _, secret = begin_app(alice)
    overtaken(app, monkeypatch, lambda: confirm_app(alice, clock.code(secret)))
    assert is_complete(password_step(Browser(app), ALICE, NEW_PASSWORD))


@asvs("7.4.3", "15.4.2")
@pytest.mark.parametrize(
    "moment",
    [(step_up, "needed"), (webauthn, "verify_registration_response")],
    ids=["let through", "verified"],
)
def test_a_passkey_is_not_added_by_a_session_that_has_just_ended(
    app: Flask, alice: Browser, monkeypatch: pytest.MonkeyPatch, moment: tuple[Any, str]
) -> None:
    device = Authenticator()
    answer = device.create(new_passkey_options(alice))
    response = overtaken(app, monkeypatch, lambda: add_passkey(alice, answer), moment)
    assert response.status_code < 500
    thief = Browser(app, THIEF)
    options = passkey_options(thief, alone=True)
    assert not is_complete(passkey_step(thief, device.get(options), alone=True))


@asvs("7.4.3", "15.4.2")
def test_the_address_does_not_change_by_a_session_that_has_just_ended(
    app: Flask, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = ready_to_change_address(alice, "thief@example.com")
    overtaken(app, monkeypatch, send)
    assert not mails(app, "thief@example.com")


@asvs("7.4.3", "15.4.2")
def test_a_link_changes_no_address_by_a_session_that_has_just_ended(
    app: Flask, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thief opens it while the owner signs out everywhere else."""
    assert change_address(alice, "thief@example.com").status_code < 400
    send = ready_to_confirm_address(alice, newest_token(app, "thief@example.com"))
    answer = overtaken(app, monkeypatch, send, (sessions, "find"), owner_begins_anew)
    assert answer.status_code == 401
    with app.app_context():
        assert db.session.scalars(select(User.id).where(User.email == Secret(ALICE))).all()


def owner_begins_anew(app: Flask) -> Callable[[], None]:
    def end() -> None:
        with asking(app):
            user = user_of(ALICE)
            account_lock.lock(user)
            db.session.execute(delete(Session), execution_options=sessions.OF_ALL)
            start_session(user, "192.0.2.50")
            db.session.commit()

    return end


@asvs("7.4.3", "15.4.2")
def test_the_next_session_of_the_owner_does_not_count_as_the_one_that_has_just_ended(
    app: Flask, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite gives it the same id, as after a change of the password."""
    send = ready_to_change_address(alice, "thief@example.com")
    overtaken(app, monkeypatch, send, ending=owner_begins_anew)
    assert not mails(app, "thief@example.com")


@asvs("7.4.3", "15.4.2")
def test_a_ticket_with_the_id_of_one_that_has_ended_is_another(app: Flask, alice: Browser) -> None:
    with asking(app):
        user = user_of(ALICE)
        ended, _ = tickets.issue("step-up", user)
        db.session.commit()
        key = ended.id
        tickets.end_all(user)
        db.session.commit()
        db.session.expunge(ended)
        other, _ = tickets.issue("step-up", user)
        other.id = key
        db.session.commit()
        assert tickets.exists(other)
        assert not tickets.exists(ended)


@asvs("7.4.3", "15.4.2")
def test_a_proof_does_not_revive_a_session_that_has_just_ended(
    app: Flask, alice: Browser, clock: Clock, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    age_proofs(app)
    act = lambda: prove_by_code(alice, clock.code(secret))  # noqa: E731 - it is what is raced
    response = overtaken(app, monkeypatch, act)
    assert response.status_code < 500
    assert not alice.is_signed_in()


@asvs("7.2.4", "8.2.2", "15.4.2")
@pytest.mark.parametrize("password", [PASSWORD, "wrong"])
@pytest.mark.parametrize("owner", [ALICE, BOB])
def test_a_proof_is_not_for_the_session_that_has_just_got_the_id(
    app: Flask,
    alice: Browser,
    bob: Browser,
    monkeypatch: pytest.MonkeyPatch,
    owner: str,
    password: str,
) -> None:
    """A thief of bob's session proves it, and it ends meanwhile: bob signs in anew, or alice.

    The answer would give the thief the new session.
    """
    with app.app_context():
        taken = TakenId(app, session_of(app, BOB), user_of(owner).id)
    with monkeypatch.context() as patch:
        verify = and_then(taken, authentication.verify_password)
        patch.setattr(authentication, "verify_password", verify)
        assert prove_by_password(bob, password).status_code in (401, 422)
    assert taken.is_untouched()
    assert not bob.is_signed_in()
    assert alice.is_signed_in()


@asvs("7.2.4", "8.2.2", "15.4.2")
@pytest.mark.parametrize("owner", [ALICE, BOB])
def test_a_wrong_passkey_is_not_counted_for_the_session_that_has_just_got_the_id(
    app: Flask, alice: Browser, bob: Browser, monkeypatch: pytest.MonkeyPatch, owner: str
) -> None:
    with app.app_context():
        taken = TakenId(app, session_of(app, BOB), user_of(owner).id)
        before = user_of(ALICE).failures
    with monkeypatch.context() as patch:
        patch.setattr(tickets, "find", and_then(taken, tickets.find))
        assert prove_by_passkey(bob, {}).status_code in (401, 422)
    assert taken.is_untouched()
    with app.app_context():
        assert user_of(ALICE).failures == before
        assert user_of(BOB).failures == 1


@asvs("7.4.3", "15.4.2")
def test_the_password_does_not_change_by_a_session_that_has_just_ended(
    app: Flask, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it was hashed, the owner has signed out everywhere else."""
    send = ready_to_change_password(alice, NEW_PASSWORD)

    def end() -> None:
        with app.test_request_context("/", method="POST"):
            user = user_of(ALICE)
            account_lock.lock(user)
            revocation.end_all(user)
            db.session.commit()

    overtaking = Overtaking()
    after = overtaking.second(end, waits=True)
    with monkeypatch.context() as patch:
        patch.setattr(
            authentication, "verify_password", overtaking.pausing(authentication.verify_password)
        )
        at_once(overtaking.first(send), after)
    assert is_complete(password_step(Browser(app), ALICE, PASSWORD))
    assert not alice.is_signed_in()


@asvs("7.4.1", "15.4.2")
def test_a_session_that_has_just_ended_ends_no_other(
    app: Flask, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request of the thief's ended session must not end the owner's session."""
    (path,) = {it.rule for it in routes(app) if it.endpoint.endswith("revoke_others")}
    send = ready_to_post(alice, path) if PAGES else partial(alice.post, path, {})
    owner, reset = Browser(app, "192.0.2.51"), owner_resets(app)

    def throw_out() -> None:
        reset()
        assert is_complete(password_step(owner, ALICE, NEW_PASSWORD))

    overtaking = Overtaking()
    after = overtaking.second(throw_out, waits=True)
    with monkeypatch.context() as patch:
        patch.setattr(step_up, "needed", overtaking.pausing(step_up.needed))
        at_once(overtaking.first(send), after)
    assert owner.is_signed_in()
    assert not alice.is_signed_in()


# --- The password


@asvs("6.2.3", "7.5.1")
def test_a_new_password_needs_the_old_one_and_a_fresh_proof(
    app: Flask, alice: Browser, clock: Clock, secret: str
) -> None:
    send = None
    assert needs_proof(alice.get("/account/password")) or hasattr(alice, "access_token")
    prove_by_code(alice, clock.code(secret))
    send = ready_to_change_password(alice, NEW_PASSWORD)
    age_proofs(app)
    assert needs_proof(send())
    clock.next_step()
    prove_by_code(alice, clock.code(secret))
    for wrong in ("wrong", ""):
        assert alice.change_password(wrong, NEW_PASSWORD).status_code in (401, 422)
    assert alice.change_password(PASSWORD, NEW_PASSWORD).status_code == CHANGED
    assert is_fresh(alice)  # the proof goes on, and is not younger


def test_a_proof_needs_a_session(app: Flask) -> None:
    browser = Browser(app)
    for send in (prove_by_password, prove_by_code):
        with suppress(AssertionError):  # there is no form for nobody
            assert send(browser, PASSWORD).status_code in (CHALLENGED, 400, 401)
    assert not browser.is_signed_in()


@asvs("7.5.1")
def test_a_proof_is_of_one_session(app: Flask, alice: Browser, clock: Clock, secret: str) -> None:
    other = Browser(app, THIEF)
    assert needs_second_step(password_step(other, ALICE, PASSWORD))
    assert is_complete(code_step(other, clock.code(secret)))
    clock.next_step()
    age_proofs(app)
    prove_by_code(alice, clock.code(secret))
    assert is_fresh(alice)
    assert not is_fresh(other)


@asvs("7.4.3")
def test_a_ticket_for_a_proof_ends_with_the_sessions(app: Flask, alice: Browser) -> None:
    with_passkey(app, ALICE)
    step_up_options(alice)
    owner_resets(app)()
    with app.app_context():
        waiting = select(tickets.Ticket).where(tickets.Ticket.user_id == user_of(ALICE).id)
        assert db.session.scalars(waiting).all() == []
