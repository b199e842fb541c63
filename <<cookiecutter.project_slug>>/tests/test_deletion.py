"""A user deletes the account: what is left of it, who may do it, and what happens meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
# <% if cookiecutter.auth == "oidc" %>
from datetime import timedelta
# <% endif %>
from functools import partial
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import String, select, update

from app import quotas
# <% if cookiecutter.auth == "oidc" %>
from app.auth import deletion, revocation, step_up
# <% else %>
from app.auth import deletion, revocation
# <% endif %>
from app.auth.models import Session, User
from app.database import Base, db, now
from app.mail import outbox
from app.mail.models import Mail
from app.secret import Secret
from tests.actions import DONE, REMOVED, ready_to_edit, ready_to_remove, ready_to_write
from tests.browser import CHALLENGED, SIGNED_IN, WRITTEN, Browser
# <% if cookiecutter.auth != "oidc" %>
from tests.factor_actions import prove_by_password
from tests.factors import age_proofs
# <% endif %>
from tests.marks import asvs, practice, slow
from tests.own_data_actions import DELETED, NOT_PROVEN, ready_to_delete
from tests.races import ALICE, TIMEOUT, at_once, statuses
from tests.resources import RESOURCES, add
from tests.routes import fingerprint
from tests.stored import stored_rows

pytestmark = practice("auth.deletion")
Rows = dict[str, list[dict[str, Any]]]
MARK = "a text of alice alone"


def user_id(app: Flask, email: str) -> int:
    with app.app_context():
        return db.session.scalars(select(User.id).where(User.email == Secret(email))).one()


def tables() -> set[Any]:
    """All tables of all models, also of the tests' own."""
    return {*Base.metadata.tables.values(), *(it.local_table for it in Base.registry.mappers)}


def left(app: Flask, user: int, *texts: str) -> Rows:
    """The rows of all tables that refer to this user or have one of these texts."""
    found: Rows = {}
    with app.app_context():
        for table in tables():
            for row in stored_rows(table):
                mine = any(
                    row[column.name] == user
                    for column in table.columns
                    if any(key.target_fullname == "users.id" for key in column.foreign_keys)
                    or (table.name, column.name) == ("users", "id")
                )
                words = " ".join(
                    str(row[it.name]).casefold() for it in table.columns if _is_text(it)
                )
                if mine or any(text.casefold() in words for text in texts):
                    found.setdefault(table.name, []).append(row)
    return found


def _is_text(column: Any) -> bool:
    return isinstance(column.type, String) or isinstance(getattr(column.type, "impl", 0), String)


def add_mail(app: Flask, recipient: str) -> None:
    with app.app_context():
        outbox.add("deleted", Secret(recipient), {"by_operator": True})
        db.session.execute(update(Mail).values(kind="a test"))
        db.session.commit()


@asvs("7.4.2")
def test_nothing_is_left_in_any_table_but_the_last_mail(
    app: Flask, alice: Browser, bob: Browser
) -> None:
    for user in (bob, alice):
        for resource in RESOURCES:
            add(app, resource, user.email, MARK if user is alice else "of bob")
        user.write(MARK if user is alice else "of bob")
        add_mail(app, user.email)
    user, other = user_id(app, alice.email), user_id(app, bob.email)
    before = left(app, user, alice.email, MARK, "203.0.113.1")
    assert before.keys() >= {"users", "sessions", "outbox", "samples"}
    bobs = left(app, other, bob.email)

    answer = ready_to_delete(alice)()
    assert answer.status_code == DELETED
    (rows,) = left(app, user, alice.email, MARK, "203.0.113.1").values()
    assert [(row["recipient"], row["kind"]) for row in rows] == [(alice.email, deletion.KIND)]
    assert left(app, other, bob.email) == bobs
    assert bob.is_signed_in()


def test_foreign_keys_to_a_user_cascade_on_deletion() -> None:
    """A feature whose rows stayed would keep an account from being deleted."""
    references = [(it, key) for it in tables() for key in it.foreign_keys]
    assert references
    for table, key in references:
        # What refers to something else of the account has its own reference to the user.
        allowed = {"CASCADE"} if key.target_fullname == "users.id" else {"CASCADE", "SET NULL"}
        assert key.ondelete in allowed, f"{table}: write ForeignKey(..., ondelete='CASCADE')"


@asvs("7.4.2")
def test_every_session_ends_and_the_browser_forgets(app: Flask, alice: Browser) -> None:
    (other,) = tabs_of(app, alice)
    stolen = alice.credential()
    answer = ready_to_delete(alice)()
    assert answer.status_code == DELETED
    if "cookie" in dir(alice):
        assert answer.headers["Clear-Site-Data"] == '"cache", "cookies", "storage"'
    for visitor in (alice, other):
        assert not visitor.is_signed_in()
    alice.use_credential(stolen)
    assert not alice.is_signed_in()


def tabs_of(app: Flask, user: Browser) -> list[Browser]:
    """Another browser in which the user is signed in."""
    other = Browser(app, "192.0.2.7")
    assert other.sign_in(user.email).status_code == SIGNED_IN
    return [other]


def test_the_log_has_the_id_alone(
    app: Flask, alice: Browser, log: Callable[[], list[dict[str, Any]]]
) -> None:
    user = user_id(app, alice.email)
    send = ready_to_delete(alice)
    log()
    send()
    lines = log()
    (event,) = [line for line in lines if line.get("event") == "user_deleted"]
    assert (event["account"], event["by"]) == (user, "the user")
    assert alice.email not in str(lines)


def test_the_last_mail_says_what_happened(app: Flask, alice: Browser) -> None:
    ready_to_delete(alice)()
    with app.app_context():
        mail = db.session.scalars(select(Mail)).one()
        subject, text = outbox.content(mail)
    assert mail.recipient == alice.email
    assert subject.endswith(" is deleted")
    assert text.startswith("You deleted your account")
    assert "somebody else was signed in" in text


def test_nobody_is_flooded_with_last_mails(app: Flask, new_browser: Callable[..., Browser]) -> None:
    """Somebody opens accounts and deletes them, in turns."""
    for _ in range(3):
        assert ready_to_delete(new_browser("203.0.113.1").signed_in(ALICE))().status_code == DELETED
    with app.app_context():
        assert len(db.session.scalars(select(Mail)).all()) == 1


# --- Who may do it


# <% if cookiecutter.auth == "oidc" %>
@asvs("7.5.1", "7.5.3")
def test_deletion_needs_a_fresh_proof(app: Flask, alice: Browser) -> None:
    """A stolen session: whoever has it cannot sign in at the provider again."""
    old = now() - step_up.FRESH - timedelta(seconds=2)
    with app.app_context():
        db.session.execute(update(Session).values(proven_at=old))
        db.session.commit()
    before = fingerprint(app)
    refused = ready_to_delete(alice)()
    assert refused.status_code == NOT_PROVEN
    assert refused.headers["Location"].startswith("/account/step-up")
    assert fingerprint(app) == before

    assert alice.step_up().status_code == SIGNED_IN
    assert ready_to_delete(alice)().status_code == DELETED


def test_the_mails_of_another_account_with_the_address_stay(
    app: Flask, alice: Browser, bob: Browser
) -> None:
    """Anybody may claim an address at a provider, and would delete the mails of its owner."""
    add_mail(app, bob.email)
    with app.app_context():
        hers = User.email == Secret(alice.email)
        db.session.execute(update(User).where(hers).values(email=Secret(bob.email)))
        db.session.commit()
    assert ready_to_delete(alice)().status_code == DELETED
    with app.app_context():
        kinds = [it.kind for it in db.session.scalars(select(Mail).order_by(Mail.id))]
    assert kinds == ["a test", deletion.KIND]


def test_no_mail_goes_to_what_is_no_address(app: Flask, alice: Browser) -> None:
    """The provider names none, or one that it has not verified."""
    with app.app_context():
        db.session.execute(update(User).values(email=User.subject))
        db.session.commit()
    assert ready_to_delete(alice)().status_code == DELETED
    with app.app_context():
        assert db.session.scalars(select(Mail)).all() == []
# <% else %>
@asvs("7.5.1", "6.3.1")
@slow
def test_a_stolen_session_is_not_enough(
    app: Flask, alice: Browser, log: Callable[[], list[dict[str, Any]]]
) -> None:
    age_proofs(app)
    before = fingerprint(app)
    log()
    for password in ("", "wool-lantern-orbit-7-thistlf", alice.email):
        assert prove_by_password(alice, password).status_code == 422
        assert ready_to_delete(alice)().status_code == NOT_PROVEN
    events = [line.get("event") for line in log()]
    assert events.count("authn_step_up_fail") >= 2
    with app.app_context():
        user = db.session.scalars(select(User)).one()
        assert user.failures >= 2
        user.failures, user.failed_at = 0, None
        session = db.session.scalars(select(Session)).one()
        session.failures, session.failed_at = 0, None
        db.session.commit()
    assert fingerprint(app) == before
    assert prove_by_password(alice, alice.password).status_code < 400
    assert ready_to_delete(alice)().status_code == DELETED


@asvs("2.4.1", "6.3.1")
def test_guesses_are_throttled(app: Flask, alice: Browser) -> None:
    """From the stolen session, as fast as the network allows; then the right one comes too early."""
    with app.app_context():
        late = {"failures": 12, "failed_at": now()}
        db.session.execute(update(Session).values(**late))
        db.session.commit()
    age_proofs(app)
    guesses = [alice.password, *["wool-lantern-orbit-7-thistlf"] * 6]
    answers = [prove_by_password(alice, guess).status_code for guess in guesses]
    assert answers == [422] * 5 + [429, 429]
    assert ready_to_delete(alice)().status_code == NOT_PROVEN
    assert user_id(app, alice.email)
# <% endif %>


def test_the_id_of_a_deleted_account_is_not_reused(
    app: Flask, alice: Browser, browser: Browser
) -> None:
    """The log keeps it, and so do limits for an hour."""
    user = user_id(app, alice.email)
    ready_to_delete(alice)()
    assert user_id(app, browser.signed_in("carol@example.com").email) != user


def test_the_address_can_be_used_again(app: Flask, alice: Browser, browser: Browser) -> None:
    """By a new account that has nothing of the old one."""
    alice.write()
    ready_to_delete(alice)()
    again = browser.signed_in(alice.email)
    assert again.is_signed_in()
    with app.app_context():
        user = db.session.scalars(select(User)).one()
        assert (user.stored_rows, user.stored_bytes) == (0, 0)


# --- Meanwhile


@asvs("15.4.2")
def test_of_two_deletions_at_once_both_end_well(
    app: Flask, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = [ready_to_delete(tab) for tab in (alice, *tabs_of(app, alice))]
    answers = at_once(*both)
    assert DELETED in statuses(answers)
    assert {*statuses(answers)} <= {DELETED, NOT_PROVEN, 302, 401}
    with app.app_context():
        assert db.session.scalars(select(User)).all() == []
        assert len(db.session.scalars(select(Mail)).all()) == 1


@slow
@asvs("15.4.2")
@pytest.mark.parametrize("kind", ["write", "edit", "remove"])
@pytest.mark.parametrize("moment", ["charged", "locked", "any"])
def test_a_write_at_the_same_time_leaves_nothing_behind(
    app: Flask, alice: Browser, monkeypatch: pytest.MonkeyPatch, kind: str, moment: str
) -> None:
    """It is stored before and goes with the account, or it finds no account. No deadlock.

    - charged: the write has locked the account; then the deletion comes.
    - locked: the deletion has; then the write comes.
    - any: both begin together, and the scheduler decides.
    """
    (tab,) = tabs_of(app, alice)
    path = alice.write("T", "B")
    user = user_id(app, alice.email)
    write = {
        "write": lambda: ready_to_write(tab, "T", MARK),
        "edit": lambda: ready_to_edit(tab, path, MARK),
        "remove": lambda: ready_to_remove(tab, path),
    }[kind]()
    delete = ready_to_delete(alice)
    reached = threading.Event()

    def pausing(function: Callable[..., Any]) -> Callable[..., Any]:
        def paused(*args: Any, **kwargs: Any) -> Any:
            result = function(*args, **kwargs)
            reached.set()
            time.sleep(0.5)  # whether the other waits for us cannot be seen
            return result

        return paused

    def later(call: Callable[[], Any]) -> Callable[[], Any]:
        return lambda: reached.wait(TIMEOUT) and call()

    if moment == "charged":
        monkeypatch.setattr(quotas, "charge", pausing(quotas.charge))
        delete = later(delete)
    elif moment == "locked":
        monkeypatch.setattr(revocation, "end_all", pausing(revocation.end_all))
        write = later(write)
    written, deleted = at_once(write, delete)
    assert deleted.status_code == DELETED
    expected = {"charged": {WRITTEN, DONE, REMOVED}, "locked": {401}}
    late = {WRITTEN, DONE, REMOVED, CHALLENGED, 401, 404, 409}
    assert written.status_code in expected.get(moment, late)
    assert left(app, user, MARK).keys() <= {"outbox"}


@asvs("15.4.2")
def test_a_sign_in_at_the_same_time_leaves_no_session(app: Flask, alice: Browser) -> None:
    user = user_id(app, alice.email)
    visitor = Browser(app, "192.0.2.9")
    at_once(partial(visitor.sign_in, alice.email), ready_to_delete(alice))
    with app.app_context():
        assert db.session.get(User, user) is None
        for session in db.session.scalars(select(Session)):
            assert session.user_id != user


def test_a_mail_that_is_being_sent_ends_well(
    app: Flask, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sender has taken it; then its row goes with the account."""
    add_mail(app, alice.email)
    send = ready_to_delete(alice)
    with app.app_context():
        mail = outbox.claim()
        assert mail
        with ThreadPoolExecutor(1) as other:
            assert other.submit(send).result().status_code == DELETED
        outbox.sent(mail)
        (last,) = db.session.scalars(select(Mail))
        assert (last.kind, last.state) == (deletion.KIND, "waiting")
