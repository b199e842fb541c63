"""Sign-ups, sign-ins and password changes at the same time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from app.auth import account_lock, accounts, authentication, revocation, sessions
from app.auth.models import Session, User
from app.commands.users import disable_user
from app.database import db, dialect, now
from app.secret import Secret
from app.security import hash_slots
from app.security.rate_limits import limiter
from tests.account_actions import assert_signed_out, ready_to_change_password
from tests.actions import ABSOLUTE_TIMEOUT, Send, ready_to_sign_in
from tests.browser import (
    ASKED,
    CHANGED,
    NO_LINK,
    PASSWORD,
    PASSWORD_SET,
    SIGNED_IN,
    SIGNED_UP,
    Browser,
)
from tests.conftest import has_redis
from tests.mailbox import newest_token
from tests.marks import asvs, practice
from tests.overtaking import Overtaking, and_then
from tests.password_actions import ask_for_account, ask_for_reset, open_account, set_password
from tests.races import ALICE, at_once, count, meeting, statuses, tabs
from tests.security.attacks import some

NEW_PASSWORD = "kelp-drizzle-9-anvil-tooth"

# --- Sign-up


@pytest.mark.parametrize("number", [2, 10])
def test_one_address_gets_one_account(
    app: Flask, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """An account in two rows: who owns it depends on which of them is found."""
    for attempt in some(range(3)):
        email = f"u{attempt}@example.com"
        assert ask_for_account(Browser(app), email).status_code == ASKED
        token = newest_token(app, email)
        visitors = [Browser(app, f"192.0.2.{n}") for n in range(number)]
        sends = [partial(open_account, visitor, token, PASSWORD) for visitor in visitors]
        with monkeypatch.context() as patch:
            patch.setattr(accounts, "hash_password", meeting(number, accounts.hash_password))
            answers = at_once(*sends)
        assert statuses(answers) == [SIGNED_UP] + [NO_LINK] * (number - 1)
        assert count(app, User) == attempt + 1


# --- Sign-in, against what ends the old password


def sign_in(visitor: Browser, email: str = ALICE) -> Send:
    return ready_to_sign_in(visitor, email, PASSWORD)


def password_change(tab: Browser) -> Send:
    return ready_to_change_password(tab, NEW_PASSWORD)


def reset(tab: Browser) -> Callable[[], None]:
    """Somebody who has the mailbox sets a new password."""
    assert ask_for_reset(tab, tab.email).status_code == ASKED
    token = newest_token(tab.app, tab.email)

    def choose() -> None:
        visitor = Browser(tab.app, "192.0.2.4")
        assert set_password(visitor, token, NEW_PASSWORD).status_code == PASSWORD_SET

    return choose


def disabling(tab: Browser) -> Callable[[], None]:
    return partial(disable, tab.app)


def disable(app: Flask) -> None:
    with app.app_context():
        disable_user.main([ALICE], standalone_mode=False)


@practice("auth.sessions")
@asvs("7.4.2", "7.4.3", "15.4.2")
@pytest.mark.parametrize("rehash", [False, True], ids=["", "rehash"])
@pytest.mark.parametrize("ending", [password_change, reset, disabling])
@pytest.mark.parametrize("moment", ["verified", "started", "any"])
def test_a_sign_in_during_a_password_change_or_disabling_leaves_no_session(
    app: Flask,
    alice: Browser,
    monkeypatch: pytest.MonkeyPatch,
    ending: Callable[[Browser], Callable[[], Any]],
    moment: str,
    rehash: bool,
) -> None:
    """A thief signs in while the owner sets a password, or an operator disables the account.

    - verified: the old password was found to be right; then the other happens, start to end.
    - started: the session is written but not committed, so that nobody else sees it yet.
    - any: both begin together, and the scheduler decides.
    """
    thief = Browser(app, "192.0.2.1")
    overtaking = Overtaking()
    enter = overtaking.first(sign_in(thief))
    end = overtaking.second(ending(alice), waits=moment != "any")

    # A sign-in also renews the hash: it must not write the old password over the new one.
    monkeypatch.setattr(authentication, "needs_rehash", lambda stored: rehash)
    if moment == "verified":
        check = overtaking.pausing(authentication.verify_password)
        monkeypatch.setattr(authentication, "verify_password", check)
    elif moment == "started":
        # Whether the other waits for us cannot be seen: it gets a second to overtake.
        monkeypatch.setattr(sessions, "start", overtaking.pausing(sessions.start, 1))
    entered, response = at_once(enter, end)
    monkeypatch.undo()

    status = {"verified": 401, "started": SIGNED_IN}.get(moment, entered.status_code)
    assert entered.status_code == status
    assert count(app, Session) == (1 if response else 0)  # no row that "users enable" would revive
    assert_signed_out(thief)
    assert sign_in(Browser(app, "192.0.2.2"))().status_code == 401
    assert alice.is_signed_in() is bool(response)
    if response:
        assert response.status_code == CHANGED
        assert Browser(app, "192.0.2.3").sign_in(ALICE, NEW_PASSWORD).status_code == SIGNED_IN


@practice("passwords")
@asvs("6.2.3", "15.4.2")
def test_of_two_password_changes_with_the_old_password_one_succeeds(
    app: Flask, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thief who knows the old password must not overtake the owner who changes it."""
    (thief,) = tabs(app, 1)
    calls = [
        ready_to_change_password(alice, NEW_PASSWORD),
        ready_to_change_password(thief, "gravel-piano-3-umbrella-mist"),
    ]
    monkeypatch.setattr(
        authentication, "verify_password", meeting(2, authentication.verify_password)
    )
    answers = at_once(*calls)
    assert statuses(answers) == [CHANGED, 422]
    for tab, answer in zip((alice, thief), answers, strict=True):
        assert tab.is_signed_in() is (answer.status_code == CHANGED)
    assert count(app, Session) == 1


def test_no_account_is_locked_while_a_new_password_is_hashed(
    app: Flask, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes long, and in SQLite all who write would wait."""
    send = password_change(alice)

    def lock() -> None:
        with app.app_context():
            assert account_lock.lock(db.session.scalars(select(User)).one())

    monkeypatch.setattr(accounts, "hash_password", and_then(lock, accounts.hash_password))
    assert send().status_code == CHANGED


def test_a_sign_in_succeeds_when_its_hash_cannot_be_renewed(
    app: Flask, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All slots for hashes are taken: a later sign-in renews it."""

    def refuse(password: Secret) -> str:
        with ExitStack() as flood:
            for _ in range(hash_slots.SLOTS + 1):
                flood.enter_context(hash_slots.hash_slot())
        return ""

    monkeypatch.setattr(authentication, "needs_rehash", lambda stored: True)
    monkeypatch.setattr(authentication, "hash_password", refuse)
    assert sign_in(Browser(app, "192.0.2.1"))().status_code == SIGNED_IN


def test_sign_ins_that_renew_the_hash_at_once_all_succeed(
    app: Flask, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hash that the second has verified is another by now, but of the same password."""
    calls = [sign_in(Browser(app, f"192.0.2.{n}")) for n in range(4)]
    monkeypatch.setattr(authentication, "needs_rehash", lambda stored: True)
    monkeypatch.setattr(
        authentication, "verify_password", meeting(4, authentication.verify_password)
    )
    assert statuses(at_once(*calls)) == [SIGNED_IN] * 4


def test_parallel_sign_ins_keep_the_limit_of_sessions(
    app: Flask, alice: Browser, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    number = 8
    for most in (sessions.MAX_SESSIONS, 3):
        monkeypatch.setattr(sessions, "MAX_SESSIONS", most)
        visitors = [Browser(app, f"192.0.2.{n}") for n in range(number)]
        calls = [sign_in(visitor) for visitor in visitors]
        with monkeypatch.context() as patch:
            patch.setattr(
                authentication, "verify_password", meeting(number, authentication.verify_password)
            )
            assert statuses(at_once(*calls)) == [SIGNED_IN] * number
        expected = min(most, number + 1)
        assert count(app, Session) == expected
        assert sum(visitor.is_signed_in() for visitor in [*visitors, alice]) == expected
        if has_redis(environment):
            limiter.storage.reset()  # ten sign-ins in five minutes are all that one account has


@pytest.mark.parametrize("expired", [0, 3])
def test_simultaneous_sign_ins_can_delete_the_same_expired_sessions(
    app: Flask, alice: Browser, monkeypatch: pytest.MonkeyPatch, expired: int
) -> None:
    """Each deletes what has expired, of every user: the same rows at the same time."""
    users = [Browser(app, f"192.0.2.{n}").signed_in(f"user{n}@example.com") for n in range(6)]
    old = now() - ABSOLUTE_TIMEOUT - timedelta(hours=1)
    with app.app_context():
        for user in db.session.scalars(select(User)).all():
            for n in range(expired):
                values = {"address": "", "device": "", "created_at": old, "last_seen_at": old}
                db.session.add(Session(user=user, token_hash=f"{user.id}-{n}", **values))
        db.session.commit()
    # A password change deletes the own sessions first, and cleans up after that.
    changes = [password_change(user) for user in users[:4]]
    others = [sign_in(Browser(app, f"198.51.100.{user.address[-1]}"), user.email) for user in users]
    if dialect.NAME != "SQLite":  # SQLite has one writer: the others could not come to the meeting
        monkeypatch.setattr(revocation, "end_all", meeting(4, revocation.end_all))
    assert statuses(at_once(*changes, *others[4:])) == [CHANGED] * 4 + [SIGNED_IN] * 2
    assert count(app, Session) == 1 + 6 + 2
