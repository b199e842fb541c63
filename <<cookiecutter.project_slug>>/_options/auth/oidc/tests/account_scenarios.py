"""The scenarios of accounts at a provider; see :mod:`tests.scenarios`."""

from __future__ import annotations

from flask import Flask

from app.auth.provider_tokens import LOGOUT_EVENT
from tests.actions import revoke_sessions
from tests.browser import PROFILE, Browser, csrf_token, html
from tests.stub import STUB, subject_of

BY_PROGRAM = {"Sec-Fetch-Site": None, "Origin": None, "Referer": None, "Accept": "*/*"}


def use_account(app: Flask, alice: Browser) -> None:
    """End other sessions, sign out at the provider, step up; disable and enable an account."""
    revoke_sessions(app, alice)
    other = Browser(app, "198.51.100.11").signed_in("erin@example.com")
    for number, claims in enumerate(
        ({"sub": subject_of(other.email)}, {"sid": "one"}, {"sub": "two", "sid": "two"})
    ):
        token = STUB.sign(events={LOGOUT_EVENT: {}}, jti=f"scenario {number}", **claims)
        sent = {"logout_token": token}
        response = alice.post("/auth/backchannel-logout", sent, headers=BY_PROGRAM)
        assert response.status_code == 200
    assert alice.sign_in(alice.email).status_code == 302
    assert alice.step_up().status_code == 302

    operator = Browser(app, "198.51.100.9").with_password("operator@example.com")
    page = html(operator.get("/operators/accounts"))
    older = page.css_first('a[href*="before="]').attributes["href"]
    assert operator.get(str(older)).status_code == 200
    account = page.css_first('form[action$=disable] [name="account"]').attributes["value"]
    for action in ("disable", "enable"):
        token = csrf_token(operator.get(PROFILE), "/auth/logout")
        data = {"csrf_token": token, "account": account}
        assert operator.post(f"/operators/{action}", data).status_code == 302
