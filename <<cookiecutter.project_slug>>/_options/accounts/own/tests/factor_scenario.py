"""Second factors and fresh proofs, each used once; see :mod:`tests.scenarios`."""

from __future__ import annotations

import time

import pyotp
from flask import Flask

from app.auth import factor_resets
from app.database import db
from tests.authenticator import Authenticator
from tests.browser import PAGES, Browser
from tests.factor_actions import (
    FACTORS,
    SECOND_STEP,
    STEP_UP,
    add_passkey,
    begin_app,
    code_step,
    confirm_app,
    is_complete,
    needs_second_step,
    new_passkey_options,
    new_recovery_codes,
    passkey_ids,
    passkey_options,
    passkey_step,
    password_step,
    prove_by_code,
    prove_by_passkey,
    remove_app,
    remove_passkey,
    shown_codes,
    step_up_options,
)
from tests.factors import user_of
from tests.mailbox import token_for
from tests.rescue_actions import KEEP, UNLOCK, ready_to_keep, use_link


def use_factors(app: Flask, alice: Browser, password: str) -> None:
    """Set up an app and a passkey, sign in and prove by each, and remove both."""
    _, secret = begin_app(alice)
    apps, at = pyotp.TOTP(secret), int(time.time())
    assert confirm_app(alice, apps.at(at)).status_code < 400
    codes = shown_codes(new_recovery_codes(alice))
    device = Authenticator()
    assert add_passkey(alice, device.create(new_passkey_options(alice))).status_code < 400
    assert alice.get(FACTORS).status_code == 200

    assert needs_second_step(password_step(alice, alice.email, password))
    assert not PAGES or alice.get(SECOND_STEP).status_code == 200
    assert is_complete(code_step(alice, apps.at(at, counter_offset=1)))
    assert needs_second_step(password_step(alice, alice.email, password))
    assert is_complete(passkey_step(alice, device.get(passkey_options(alice))))
    alone = device.get(passkey_options(alice, alone=True))
    assert is_complete(passkey_step(alice, alone, alone=True))

    assert not PAGES or alice.get(STEP_UP).status_code == 200
    assert prove_by_code(alice, codes[0]).status_code < 400
    assert prove_by_passkey(alice, device.get(step_up_options(alice))).status_code < 400
    keep_factors(app, alice)
    assert remove_passkey(alice, passkey_ids(alice)[0]).status_code < 400
    assert remove_app(alice).status_code < 400


def keep_factors(app: Flask, alice: Browser) -> None:
    """Keep second factors that an operator removes, by session and mail; unlock an account."""
    with app.app_context():
        factor_resets.begin(user_of(alice.email))
        db.session.commit()
    assert ready_to_keep(alice)().status_code < 400
    for path, endpoint in ((KEEP, "rescue.keep"), (UNLOCK, "rescue.unlock")):
        with app.app_context():
            factor_resets.begin(user_of(alice.email))
            db.session.commit()
        token = token_for(app, endpoint, alice.email)
        assert not PAGES or alice.get(f"{path}?token={token}").status_code == 200
        assert use_link(alice, path, token).status_code < 400
