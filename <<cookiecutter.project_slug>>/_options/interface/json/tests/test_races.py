"""Requests at the same moment: what one looked up, another has changed before it writes.

SQLite hides most of this, for it has one writer at a time. Where the moment matters, the requests
meet in the middle of their work; nothing sleeps and hopes.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from functools import partial, wraps
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.auth import accounts, sessions, tokens
from app.auth.models import Session, User
from app.commands.users import disable_user
from app.notes import views
from tests.browser import API, PASSWORD, Browser
from tests.marks import asvs, practice
from tests.races import ALICE, PATIENCE, Overtaking, at_once, count
from tests.test_tokens import NEW_PASSWORD


def meeting(parties: int, function: Callable[..., Any]) -> Callable[..., Any]:
    """``function``, after which the requests wait until all have come; each meets only once."""
    barrier, here = threading.Barrier(parties), threading.local()

    @wraps(function)
    def meet(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        if not hasattr(here, "met"):
            here.met = True
            barrier.wait(PATIENCE)
        return result

    return meet


def statuses(responses: list[TestResponse]) -> Counter[int]:
    return Counter(response.status_code for response in responses)


# --- Sign-up and notes


def test_one_address_gets_one_account(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    visitors = [Browser(app, f"192.0.2.{n}") for n in range(8)]
    calls = [partial(visitor.register, ALICE) for visitor in visitors]
    monkeypatch.setattr(accounts, "hash_password", meeting(8, accounts.hash_password))
    assert statuses(at_once(*calls)) == {201: 1, 422: 7}
    assert count(app, User) == count(app, Session) == 1


def test_of_edits_at_once_one_wins(
    app: Flask, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = alice.write_note()
    edits = [{"title": f"Text {n}", "body": "B", "version": 1} for n in range(8)]
    monkeypatch.setattr(views, "get_owned", meeting(8, views.get_owned))
    answers = at_once(*(partial(alice.send, "PUT", path, edit) for edit in edits))
    assert statuses(answers) == {200: 1, 409: 7}
    (winner,) = [answer.json["title"] for answer in answers if answer.status_code == 200]
    monkeypatch.undo()
    note = alice.get(path).json
    assert (note["title"], note["version"]) == (winner, 2)


def test_deleting_and_changing_at_once_breaks_nothing(
    app: Flask, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit = {"title": "Changed", "body": "B", "version": 1}
    for _ in range(4):
        path = alice.write_note()
        with monkeypatch.context() as patch:
            patch.setattr(views, "get_owned", meeting(2, views.get_owned))
            changed, deleted = at_once(
                partial(alice.send, "PUT", path, edit), partial(alice.open, "DELETE", path)
            )
        assert {changed.status_code, deleted.status_code} <= {200, 204, 404, 409}
        assert (changed.status_code == 200) + (deleted.status_code == 204) == 1


# --- Sign-in and refresh, against what ends the old password


def password_change(alice: Browser) -> int:
    return alice.change_password(PASSWORD, NEW_PASSWORD).status_code


def disabling(alice: Browser) -> None:
    with alice.app.app_context():
        disable_user.main([ALICE], standalone_mode=False)


@practice("auth.sessions")
@asvs("7.4.2", "7.4.3", "15.4.2")
@pytest.mark.parametrize("ending", [password_change, disabling])
@pytest.mark.parametrize("moment", ["verified", "started", "any"])
def test_no_sign_in_outlives_its_password(
    app: Flask,
    alice: Browser,
    monkeypatch: pytest.MonkeyPatch,
    ending: Callable[[Browser], int | None],
    moment: str,
) -> None:
    """A thief signs in while the owner changes the password, or an operator disables the account.

    - verified: the old password was found to be right; then the other happens, start to end.
    - started: the session is written but not committed, so that nobody else sees it yet.
    - any: both begin together, and the scheduler decides.
    """
    thief = Browser(app, "192.0.2.1")
    overtaking = Overtaking()
    enter = overtaking.first(partial(thief.sign_in, ALICE))
    end = overtaking.second(partial(ending, alice), waits=moment != "any")
    if moment == "verified":
        check = overtaking.pausing(accounts.verify_password)
        monkeypatch.setattr(accounts, "verify_password", check)
    elif moment == "started":
        # Whether the other waits for us cannot be seen: it gets a second to overtake.
        monkeypatch.setattr(sessions, "start", overtaking.pausing(sessions.start, 1))
    entered, answer = at_once(enter, end)
    monkeypatch.undo()
    status = {"verified": 401, "started": 200}.get(moment, entered.status_code)
    assert entered.status_code == status
    assert not thief.is_signed_in()
    assert thief.refresh("x" if not thief.refresh_token else None).status_code == 401
    assert answer in (200, None)
    assert alice.is_signed_in() is (answer == 200)
    assert count(app, Session) == (1 if answer else 0)


@practice("auth.tokens")
@asvs("7.4.1", "15.4.2")
@pytest.mark.parametrize("ending", ["password", "disabled", "sign-out"])
@pytest.mark.parametrize("moment", ["found", "any"])
def test_no_refresh_brings_an_ended_sign_in_back(
    app: Flask, alice: Browser, monkeypatch: pytest.MonkeyPatch, ending: str, moment: str
) -> None:
    """The thief's refresh has found the session; it ends before the new token is written."""
    thief = Browser(app, "192.0.2.1")
    stolen = alice.refresh_token
    in_refresh = threading.local()
    reached, ended = threading.Event(), threading.Event()
    hash_token = sessions.hash_token

    def pausing(token: str) -> str:
        if hasattr(in_refresh, "here") and moment == "found":
            reached.set()
            ended.wait(PATIENCE)
        return hash_token(token)

    def refresh() -> int:
        in_refresh.here = True
        return thief.refresh(stolen).status_code

    def end() -> None:
        if moment == "found":
            assert reached.wait(PATIENCE)
        if ending == "password":
            password_change(alice)
        elif ending == "disabled":
            disabling(alice)
        else:
            alice.sign_out()
        ended.set()

    monkeypatch.setattr(sessions, "hash_token", pausing)
    status, _ = at_once(refresh, end)
    monkeypatch.undo()
    assert status == 401 or moment == "any"
    assert not thief.is_signed_in()
    assert thief.refresh(thief.refresh_token or "x").status_code == 401
    assert count(app, Session) == (1 if ending == "password" else 0)


@practice("auth.tokens")
@asvs("10.4.5", "15.4.2")
def test_of_two_refreshes_that_found_the_same_token_one_wins(
    app: Flask, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = alice.refresh_token
    visitors = [Browser(app, f"192.0.2.{n}") for n in range(4)]
    monkeypatch.setattr(tokens, "new_token", meeting(4, tokens.new_token))
    answers = at_once(*(partial(visitor.refresh, token) for visitor in visitors))
    assert statuses(answers) == {200: 1, 401: 3}
    assert count(app, Session) == 0  # a second use ends the sign-in


def test_a_sign_in_that_is_ended_twice_at_once_is_ended(
    app: Flask, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "find", meeting(2, sessions.find))
    answers = at_once(alice.sign_out, alice.sign_out)
    assert statuses(answers) == {204: 2}
    monkeypatch.undo()
    assert alice.get(f"{API}/me").status_code == 401


def test_parallel_sign_ins_keep_the_limit_of_sessions(
    app: Flask, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "MAX_SESSIONS", 3)
    visitors = [Browser(app, f"192.0.2.{n}") for n in range(8)]
    monkeypatch.setattr(accounts, "verify_password", meeting(8, accounts.verify_password))
    assert statuses(at_once(*(partial(v.sign_in, ALICE) for v in visitors))) == {200: 8}
    assert count(app, Session) == 3
    assert sum(visitor.is_signed_in() for visitor in [*visitors, alice]) == 3
