"""The lock of an account: no session survives by luck, and every missing lock is noticed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from flask import Flask

from app.auth import account_lock, session_lock, sessions
from app.auth.models import Session, User
from app.commands.users import revoke_sessions, sessions_cli, users_cli
from tests import account_locks
from tests.account_locks import needs_lock
from tests.actions import ready_to_sign_in
from tests.browser import CREATE_ACCOUNT, CREATE_OPTIONS, PASSWORD, SIGNED_IN, Browser
from tests.marks import asvs, practice
from tests.overtaking import Overtaking
from tests.own_data_actions import ready_to_delete
from tests.races import ALICE, at_once, count

pytestmark = practice("auth.sessions")
Cli = Callable[..., Any]

GROUPS = users_cli, sessions_cli
ARGUMENTS = {
    "users list": [],
    "users show": [ALICE],
    "users disable": [ALICE],
    "users enable": [ALICE],
    "users unlock": [ALICE],
    "users delete": ["--yes", ALICE],
    f"users {CREATE_ACCOUNT}": ["carol@example.com", *CREATE_OPTIONS],
    "users invite": ["carol@example.com"],
    "users reset": ["--disable-password", ALICE],
    "users set-address": [ALICE, "carol@example.com"],
    "users reset-factors": ["--help"],  # there are none; its own tests have some
    "sessions revoke": ["--user", ALICE],
}


@pytest.fixture
def alice(app: Flask) -> Browser:
    """Somebody with a password."""
    return Browser(app, "203.0.113.1").signed_in_with_password(ALICE)


def revoke(app: Flask) -> None:
    with app.app_context():
        revoke_sessions.main(["--user", ALICE], standalone_mode=False)


@asvs("7.4.5", "15.4.2")
def test_no_session_that_is_just_started_outlives_a_revocation(
    app: Flask, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thief signs in: the session is written, but nobody else sees it before the commit."""
    thief = Browser(app, "192.0.2.1")
    overtaking = Overtaking()
    enter = overtaking.first(ready_to_sign_in(thief, ALICE, PASSWORD))
    end = overtaking.second(partial(revoke, app), waits=True)
    # Whether the other waits for us cannot be seen: it gets a second to overtake.
    monkeypatch.setattr(sessions, "start", overtaking.pausing(sessions.start, 1))
    entered, _ = at_once(enter, end)
    monkeypatch.undo()
    assert entered.status_code == SIGNED_IN
    assert count(app, Session) == 0
    assert not thief.is_signed_in()
    assert not alice.is_signed_in()


@asvs("15.4.2")
@pytest.mark.parametrize(
    "command", [f"{group.name} {it}" for group in GROUPS for it in group.commands]
)
def test_a_command_locks_the_account_first(
    app: Flask, cli: Cli, alice: Browser, accounts_are_locked: list[str], command: str
) -> None:
    """The account has a session and a failed sign-in, which a command may end."""
    assert command in ARGUMENTS, "write here with which arguments it changes an account"
    Browser(app, "192.0.2.1").attempt(ALICE, "wrong")
    assert cli(*command.split(), *ARGUMENTS[command]).exit_code == 0
    assert accounts_are_locked == []


@pytest.mark.parametrize(
    "command",
    [
        ["sessions", "revoke", "--user", ALICE],
        ["users", "disable", ALICE],
        ["users", "unlock", ALICE],
        ["users", "delete", "--yes", ALICE],
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_a_command_without_the_lock_is_noticed(
    app: Flask,
    cli: Cli,
    alice: Browser,
    accounts_are_locked: list[str],
    monkeypatch: pytest.MonkeyPatch,
    command: list[str],
) -> None:
    """Also where the database hides the race: SQLite has one writer at a time."""
    Browser(app, "192.0.2.1").attempt(ALICE, "wrong")
    assert cli(*command[:2], "--help").exit_code == 0
    assert accounts_are_locked == []
    monkeypatch.setattr(account_lock, "lock", lambda user: True)
    assert cli(*command).exit_code == 0
    assert accounts_are_locked[0].startswith(f"{' '.join(['app', *command[:2]])}: ")
    accounts_are_locked.clear()


@practice("auth.step_up")
@asvs("7.5.3")
def test_a_fresh_route_that_does_not_look_at_its_session_again_is_noticed(
    app: Flask, alice: Browser, accounts_are_locked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The owner has just ended the session of a thief, who must not delete the account."""
    send = ready_to_delete(alice)
    monkeypatch.setattr(session_lock, "lock", lambda session: account_lock.lock(session.user))
    assert send().status_code < 400
    assert count(app, User) == 0
    # <% if cookiecutter.auth == "token" %>
    route = "own_data.delete"
    # <% else %>
    route = "deletion.delete"
    # <% endif %>
    assert accounts_are_locked[0].startswith(f"{route}, whose session may have ended: ")
    accounts_are_locked.clear()


@pytest.mark.parametrize(
    ("sql", "locked"),
    [
        ("UPDATE users SET failures=? WHERE users.id = ?", True),
        ("UPDATE users SET email=%(email)s WHERE users.id = %(users_id)s", True),
        ("UPDATE users SET disabled_at=%s WHERE users.id = %s", True),
        ("UPDATE users SET stored_rows=CASE WHEN (users.stored_rows + ? < ?) THEN ? END", False),
        ("DELETE FROM sessions WHERE sessions.id = ?", True),
        ("DELETE FROM sessions WHERE sessions.id > ? AND sessions.id <= ?", False),
        ("INSERT INTO sessions (public_id, user_id) VALUES (?, ?)", True),
        ("UPDATE sessions SET proof=? WHERE sessions.id = ?", True),
        ("SELECT sessions.id FROM sessions WHERE sessions.user_id = ?", False),
        ("DELETE FROM outbox WHERE outbox.id = ?", False),
    ],
)
def test_what_must_not_be_written_before_the_lock(sql: str, locked: bool) -> None:
    assert needs_lock(sql) is locked


def test_the_tables_of_accounts_are_known() -> None:
    found = account_locks.account_tables()
    assert "sessions" in found
    assert "outbox" not in found
