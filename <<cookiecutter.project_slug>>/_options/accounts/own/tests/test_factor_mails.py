"""What the owner reads of second factors: who reads only this mail knows what to do."""

from __future__ import annotations

import pytest
from flask import Flask

from app.auth import devices, second_factors, sessions
from app.database import db
from app.secret import Secret
from tests.browser import Browser
from tests.factors import asking, user_of, with_app, with_codes
from tests.mailbox import Received, mails
from tests.marks import asvs, practice
from tests.races import ALICE

pytestmark = practice("auth.notices")


@pytest.fixture(autouse=True)
def account(alice: Browser) -> None:
    """Alice has an account."""


def newest(app: Flask, kind: str) -> Received:
    mail = mails(app, ALICE)[-1]
    assert mail.kind == kind
    assert not {"{", "}"} & {*mail.subject, *mail.text}
    assert "UTC" in mail.text
    return mail


@asvs("6.3.5")
@pytest.mark.parametrize(
    ("proof", "said", "advice"),
    [
        ("password", "with its password, on a device", "somebody knows your password"),
        ("code", "its password and a code of its authenticator app", "create new recovery codes"),
        ("recovery code", "its password and a recovery code", "create new recovery codes"),
        ("passkey", "with a passkey, on a device", "remove that passkey"),
    ],
)
def test_the_mail_about_a_new_device_names_the_factors(
    app: Flask, proof: str, said: str, advice: str
) -> None:
    with asking(app):
        devices.recognize(user_of(ALICE), proof)
        db.session.commit()
    text = " ".join(newest(app, "new_device").text.split())
    assert said in text
    assert advice in text
    assert ("new recovery codes" in text) is (proof in ("code", "recovery code"))


@asvs("6.3.7")
@pytest.mark.parametrize(("used", "said"), [(1, "Remaining codes: 9."), (10, "the last one")])
def test_a_recovery_code_says_how_many_are_left(app: Flask, used: int, said: str) -> None:
    codes = with_codes(app, ALICE)
    with asking(app):
        for code in codes[:used]:
            assert second_factors.check_code(user_of(ALICE), Secret(code)) == "recovery code"
        db.session.commit()
    assert said in newest(app, "recovery_code_used").text
    assert all(code not in str(mails(app)) for code in codes)


@asvs("6.3.7")
def test_the_owner_gets_a_mail_about_new_factors_and_codes(app: Flask) -> None:
    with_app(app, ALICE)
    kinds: list[tuple[second_factors.Kind, str]] = [
        ("code", "An authenticator app was added"),
        ("passkey", "A passkey was added"),
    ]
    for kind, said in kinds:
        with asking(app):
            second_factors.added(user_of(ALICE), kind)
            db.session.commit()
        assert said in newest(app, "factor_added").text
    with asking(app):
        codes = second_factors.new_recovery_codes(user_of(ALICE))
        db.session.commit()
    assert "old ones no longer work" in newest(app, "recovery_codes_new").text
    assert all(code.reveal() not in str(mails(app)) for code in codes)


@asvs("6.3.7")
def test_the_owner_gets_a_mail_about_a_removed_factor(app: Flask) -> None:
    with_app(app, ALICE)
    with asking(app):
        (session,) = sessions.of_user(user_of(ALICE))
        assert second_factors.remove_app(session)
        db.session.commit()
    assert "The authenticator app was removed" in newest(app, "factor_removed").text
