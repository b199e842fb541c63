"""Notices by mail: what others do to an account is told to its owner, in the same transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from app.auth import accounts
from app.auth.models import User
from app.database import db, now
from app.mail import outbox
from app.mail.models import Mail
# <% if cookiecutter.auth == "oidc" %>
from app.secret import Secret
# <% endif %>
from tests.browser import Browser
from tests.marks import asvs, practice

pytestmark = practice("auth.notices")

Command = Callable[..., Any]


def notices(app: Flask) -> list[tuple[str, str]]:
    """The recipient and the kind of each mail that waits."""
    with app.app_context():
        return [(it.recipient.reveal(), it.kind) for it in db.session.scalars(select(Mail)).all()]


@asvs("6.3.7")
@pytest.mark.parametrize(
    ("command", "kind"),
    [
        (("users", "disable"), "disabled"),
        (("users", "enable"), "enabled"),
        (("sessions", "revoke", "--user"), "signed_out"),
    ],
)
def test_the_owner_is_told_what_an_operator_does(
    app: Flask, alice: Browser, bob: Browser, cli: Command, command: tuple[str, ...], kind: str
) -> None:
    if kind == "enabled":
        with app.app_context():
            db.session.execute(update(User).values(disabled_at=now()))
            db.session.commit()
    assert cli(*command, alice.email).exit_code == 0
    assert notices(app) == [(alice.email, kind)]
    with app.app_context():
        mail = db.session.scalars(select(Mail)).one()
        subject, text = outbox.content(mail)
    assert "Operator" in text.title()
    assert "{" not in subject + text


def test_no_notice_is_sent_when_nothing_changed(app: Flask, alice: Browser, cli: Command) -> None:
    cli("sessions", "revoke", "--user", alice.email)
    cli("sessions", "revoke", "--user", alice.email)
    assert len(notices(app)) == 1
    assert cli("users", "disable", "nobody@example.com").exit_code == 1
    assert len(notices(app)) == 1
    for command in ("enable", "disable", "disable", "enable", "enable"):
        assert cli("users", command, alice.email).exit_code == 0
    assert [kind for _, kind in notices(app)] == ["signed_out", "disabled", "enabled"]


def test_a_notice_without_its_change_is_not_sent(app: Flask, alice: Browser) -> None:
    with app.app_context():
        accounts.disable(db.session.scalars(select(User)).one())
        db.session.rollback()
    assert not notices(app)
    assert alice.is_signed_in()
# <% if cookiecutter.auth == "oidc" %>


def test_an_account_without_an_address_gets_no_notice(
    app: Flask, alice: Browser, cli: Command
) -> None:
    """Its subject may look like an address, which is somebody else's."""
    with app.app_context():
        db.session.execute(update(User).values(subject=Secret(alice.email)))
        db.session.commit()
    assert cli("users", "disable", alice.email).exit_code == 0
    assert not notices(app)
# <% else %>


@asvs("6.3.7")
def test_the_owner_is_told_of_a_new_password(app: Flask, alice: Browser) -> None:
    assert alice.change_password("wrong", "kelp-drizzle-9-anvil-tooth").status_code == 422
    assert not notices(app)
    assert alice.change_password(alice.password, "kelp-drizzle-9-anvil-tooth").status_code < 400
    assert notices(app) == [(alice.email, "password")]
# <% endif %>
