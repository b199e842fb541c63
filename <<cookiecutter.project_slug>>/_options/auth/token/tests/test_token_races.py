"""Refreshes at the same moment, and against what ends the sign-in."""

from __future__ import annotations

import threading
from functools import partial

import pytest
from flask import Flask

from app.auth import tokens
from app.auth.models import Session
from app.secret import Secret, hash_secret
from tests.browser import ASKED, PASSWORD, Browser
from tests.mailbox import newest_token
from tests.marks import asvs, practice
from tests.password_actions import ask_for_reset, set_password
from tests.races import TIMEOUT, at_once, count, meeting, statuses
from tests.test_account_races import NEW_PASSWORD, disable


@practice("auth.tokens")
@asvs("7.4.1", "15.4.2")
@pytest.mark.parametrize("ending", ["password", "reset", "disabled", "sign-out"])
@pytest.mark.parametrize("moment", ["found", "any"])
def test_a_refresh_does_not_restore_an_ended_session(
    app: Flask, alice: Browser, monkeypatch: pytest.MonkeyPatch, ending: str, moment: str
) -> None:
    """The thief's refresh has found the session; it ends before the new token is written."""
    thief = Browser(app, "192.0.2.1")
    stolen = alice.refresh_token
    assert ask_for_reset(thief, alice.email).status_code == ASKED
    code = newest_token(app, alice.email)
    in_refresh = threading.local()
    reached, ended = threading.Event(), threading.Event()

    def pausing(token: Secret) -> str:
        if hasattr(in_refresh, "here") and moment == "found":
            reached.set()
            ended.wait(TIMEOUT)
        return hash_secret(token)

    def refresh() -> int:
        in_refresh.here = True
        return thief.refresh(stolen).status_code

    def end() -> None:
        if moment == "found":
            assert reached.wait(TIMEOUT)
        if ending == "password":
            alice.change_password(PASSWORD, NEW_PASSWORD)
        elif ending == "reset":
            set_password(alice, code, NEW_PASSWORD)
        elif ending == "disabled":
            disable(app)
        else:
            alice.sign_out()
        ended.set()

    monkeypatch.setattr(tokens, "hash_secret", pausing)
    status, _ = at_once(refresh, end)
    monkeypatch.undo()
    assert status == 401 or moment == "any"
    assert not thief.is_signed_in()
    assert thief.refresh(thief.refresh_token or "x").status_code == 401
    assert count(app, Session) == (1 if ending == "password" else 0)


@practice("auth.tokens")
@asvs("10.4.5", "15.4.2")
def test_only_one_of_two_refreshes_with_one_token_succeeds(
    app: Flask, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = alice.refresh_token
    visitors = [Browser(app, f"192.0.2.{n}") for n in range(4)]
    monkeypatch.setattr(tokens, "new_token", meeting(4, tokens.new_token))
    answers = at_once(*(partial(visitor.refresh, token) for visitor in visitors))
    assert statuses(answers) == [200, 401, 401, 401]
    assert count(app, Session) == 0  # a second use ends the sign-in
