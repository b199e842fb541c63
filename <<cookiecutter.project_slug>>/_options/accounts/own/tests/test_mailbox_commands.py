"""The operator's commands that send mail, and who may open an account at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from app.auth import links
from app.auth.links import Link
from app.auth.models import User
from app.database import db
from app.settings import ConfigurationError
from tests.browser import NO_LINK, PASSWORD, SIGN_UP, SIGNED_IN, Browser
from tests.mailbox import mails, newest_token, tokens
from tests.marks import asvs, practice, slow
from tests.password_actions import ask_for_account, ask_for_reset, open_account, set_password
from tests.security.client import proof

pytestmark = practice("auth.sign_up", "auth.password_reset")
Cli = Callable[..., Any]
CAROL, NEW_PASSWORD = "carol@example.com", "kelp-drizzle-9-anvil-tooth"


@pytest.fixture
def service(make_app: Callable[..., Flask], app: Flask) -> Callable[[str], Flask]:
    """The service with this ``SIGN_UP``, and the rows of ``app``."""
    return lambda sign_up: make_app(SIGN_UP=sign_up)


def accounts_of(app: Flask) -> list[str]:
    with app.app_context():
        found = db.session.scalars(select(User.email).order_by(User.email))
        return [email.reveal() for email in found]


def run(app: Flask, *command: str) -> Any:
    return app.test_cli_runner().invoke(args=list(command))


# --- SIGN_UP


@asvs("6.3.8")
@pytest.mark.parametrize("sign_up", ["invite", "closed"])
@slow
def test_sign_up_is_refused_unless_it_is_open(
    service: Callable[[str], Flask], sign_up: str, alice: Browser
) -> None:
    app = service(sign_up)
    answers = []
    for email in (CAROL, alice.email, "no address"):
        visitor = Browser(app, "192.0.2.1")
        answer = visitor.post(SIGN_UP, {"email": email}, headers=proof(visitor))
        answers.append((answer.status_code, said(answer)))
    assert answers[0] == answers[1]  # the same, whether there is an account or not
    assert answers[0][0] == 403
    assert ("invitation" in answers[0][1]) is (sign_up == "invite")
    assert mails(app) == []
    with app.app_context():
        assert db.session.scalars(select(Link)).all() == []


def said(answer: Any) -> str:
    text = str(answer.get_data(as_text=True))
    for sentence in ("You need an invitation to open an account", "Sign-up is closed"):
        if sentence in text:
            return sentence
    return text


@pytest.mark.parametrize(
    ("sign_up", "own", "invited"),
    [("open", True, True), ("invite", False, True), ("closed", False, False)],
)
def test_the_setting_decides_which_sign_up_links_are_valid(
    app: Flask, service: Callable[[str], Flask], sign_up: str, own: bool, invited: bool
) -> None:
    """Also those that were mailed while the setting was another one."""
    ask_for_account(Browser(app, "192.0.2.1"), CAROL)
    assert run(app, "users", "invite", "dave@example.com").exit_code == 0
    later = service(sign_up)
    for email, counts in ((CAROL, own), ("dave@example.com", invited)):
        token = newest_token(app, email)
        open_account(Browser(later, "192.0.2.2"), token, PASSWORD)
        assert (email in accounts_of(app)) is counts, email


@pytest.mark.parametrize("sign_up", ["invite", "closed"])
def test_existing_users_can_sign_in_while_sign_up_is_closed(
    app: Flask, service: Callable[[str], Flask], alice: Browser, sign_up: str
) -> None:
    later = service(sign_up)
    assert Browser(later).sign_in(alice.email).status_code == SIGNED_IN
    ask_for_reset(Browser(later), alice.email)
    set_password(Browser(later), newest_token(app, alice.email), NEW_PASSWORD)
    assert Browser(later).sign_in(alice.email, NEW_PASSWORD).status_code == SIGNED_IN


@pytest.mark.parametrize("value", ["yes", "OPEN", "0", "open,invite"])
def test_an_unknown_value_of_sign_up_is_an_error(
    make_app: Callable[..., Flask], value: str
) -> None:
    with pytest.raises(ConfigurationError, match=r"SIGN_UP is .*; write open, invite or closed"):
        make_app(SIGN_UP=value)


# --- invite


def test_an_invitation_opens_an_account_once(app: Flask, cli: Cli) -> None:
    done = cli("users", "invite", " Carol@Example.com ")
    assert (done.exit_code, done.stdout) == (0, f"Invited {CAROL}; the mail is on its way.\n")
    (mail,) = mails(app, CAROL)
    assert mail.kind == "invite"
    assert "7 days" in mail.text
    token = newest_token(app, CAROL)
    assert token not in done.output
    open_account(Browser(app), token, PASSWORD)
    assert Browser(app).sign_in(CAROL).status_code == SIGNED_IN
    open_account(Browser(app), token, NEW_PASSWORD)
    assert Browser(app, "192.0.2.1").sign_in(CAROL, NEW_PASSWORD).status_code == 401


@pytest.mark.parametrize(
    ("email", "problem"),
    [("carol", "Enter an e-mail address"), ("ALICE@example.com", "There is an account")],
)
def test_an_invitation_without_effect_is_refused(
    app: Flask, cli: Cli, alice: Browser, email: str, problem: str
) -> None:
    refused = cli("users", "invite", email)
    assert refused.exit_code == 1
    assert problem in refused.stderr
    assert mails(app) == []


def test_no_invitation_while_sign_up_is_closed(service: Callable[[str], Flask]) -> None:
    refused = run(service("closed"), "users", "invite", CAROL)
    assert refused.exit_code == 1
    assert "SIGN_UP is closed" in refused.stderr


@pytest.mark.parametrize("command", [("invite", CAROL), ("reset", "alice@example.com")])
def test_operators_send_links_without_a_pause(
    app: Flask, cli: Cli, alice: Browser, command: tuple[str, str]
) -> None:
    """Strangers begin the pause anew again and again; an operator sends a link all the same."""
    ask_for_reset(Browser(app), alice.email)
    tokens = []
    for _ in range(3):
        assert cli("users", *command).exit_code == 0
        tokens.append(newest_token(app, command[1]))
    use = open_account if command[0] == "invite" else set_password
    used = [use(Browser(app), token, NEW_PASSWORD).status_code for token in tokens]
    assert used[:2] == [NO_LINK] * 2, "a newer link ends the older"
    assert Browser(app, "192.0.2.1").sign_in(command[1], NEW_PASSWORD).status_code == SIGNED_IN


# --- create


@asvs("6.4.1")
@pytest.mark.parametrize("sign_up", ["open", "invite", "closed"])
def test_the_owner_of_the_mailbox_chooses_the_password_of_a_created_account(
    service: Callable[[str], Flask], sign_up: str
) -> None:
    """An operator neither chooses it nor sees it: until the link is used, there is none."""
    app = service(sign_up)
    made = run(app, "users", "create", " Carol@Example.COM ")
    assert made.exit_code == 0, made.output
    (token,) = tokens(app, CAROL)
    assert token not in made.output
    with app.app_context():
        assert db.session.scalars(select(User.password_hash)).one() is None
    assert Browser(app, "192.0.2.1").sign_in(CAROL, PASSWORD).status_code == 401
    set_password(Browser(app), token, NEW_PASSWORD)
    assert Browser(app, "192.0.2.1").sign_in(CAROL, NEW_PASSWORD).status_code == SIGNED_IN
    set_password(Browser(app), token, PASSWORD)
    assert Browser(app, "192.0.2.1").sign_in(CAROL, PASSWORD).status_code == 401


@asvs("6.4.1")
def test_an_operator_cannot_choose_a_password(cli: Cli) -> None:
    assert "No such option" in cli("users", "create", CAROL, "--password", PASSWORD).output
    assert "Password" not in cli("users", "create", CAROL, input=f"{PASSWORD}\n" * 2).stdout


@pytest.mark.parametrize(
    ("email", "problem"),
    [
        ("carol", "Enter an e-mail address"),
        ("carol@example.com\nx@y.example", "Enter an e-mail address"),
        ("ALICE@example.com", "There is an account with the address alice@example.com"),
    ],
)
def test_a_bad_account_is_not_created(
    app: Flask, cli: Cli, alice: Browser, email: str, problem: str
) -> None:
    refused = cli("users", "create", email)
    assert refused.exit_code == 1
    assert problem in refused.stderr
    assert accounts_of(app) == [alice.email]
    assert mails(app) == []


# --- reset


@asvs("6.4.6", "7.4.3")
@pytest.mark.parametrize("at_once", [False, True])
def test_an_operator_sends_a_link_for_a_new_password(
    app: Flask, cli: Cli, alice: Browser, at_once: bool
) -> None:
    options = ["--disable-password"] if at_once else []
    done = cli("users", "reset", alice.email, *options)
    assert done.exit_code == 0, done.output
    assert ("sessions ended: 1" in done.stdout) is at_once
    assert alice.is_signed_in() is not at_once
    status = Browser(app, "192.0.2.1").sign_in(alice.email).status_code
    assert status == (401 if at_once else SIGNED_IN)
    set_password(Browser(app), newest_token(app, alice.email), NEW_PASSWORD)
    assert Browser(app, "192.0.2.2").sign_in(alice.email, NEW_PASSWORD).status_code == SIGNED_IN
    assert not alice.is_signed_in()


def test_a_disabled_account_gets_no_link(app: Flask, cli: Cli, alice: Browser) -> None:
    cli("users", "disable", alice.email)
    refused = cli("users", "reset", alice.email)
    assert refused.exit_code == 1
    assert "flask users enable" in refused.stderr
    assert "reset_by_operator" not in {mail.kind for mail in mails(app)}


# --- set-address


@asvs("6.3.7", "7.4.5")
def test_an_operator_changes_an_address(app: Flask, cli: Cli, alice: Browser) -> None:
    ask_for_reset(Browser(app), alice.email)
    token = newest_token(app, alice.email)
    done = cli("users", "set-address", alice.email, "Alice@Example.net")
    expected = "alice@example.com is alice@example.net from now on; sessions ended: 1.\n"
    assert (done.exit_code, done.stdout) == (0, expected)
    assert accounts_of(app) == ["alice@example.net"]
    assert not alice.is_signed_in()
    assert {mails(app, it)[-1].kind for it in (alice.email, "alice@example.net")} == {"address_set"}
    with app.app_context():
        assert db.session.scalars(select(Link)).all() == []
    set_password(Browser(app), token, NEW_PASSWORD)  # of whoever has the old mailbox
    for email, status in ((alice.email, 401), ("alice@example.net", SIGNED_IN)):
        assert Browser(app, "192.0.2.1").sign_in(email).status_code == status


def test_nobody_gets_the_address_of_another(
    app: Flask, cli: Cli, alice: Browser, bob: Browser
) -> None:
    for new, problem in ((bob.email, "There is an account"), ("bob", "Enter an e-mail address")):
        refused = cli("users", "set-address", alice.email, new)
        assert refused.exit_code == 1
        assert problem in refused.stderr
    assert accounts_of(app) == [alice.email, bob.email]
    assert alice.is_signed_in()
    assert mails(app) == []


def test_the_commands_log_no_address(
    app: Flask, cli: Cli, alice: Browser, log: Callable[[], list[dict[str, Any]]]
) -> None:
    log()
    cli("users", "invite", CAROL)
    cli("users", "reset", alice.email)
    cli("users", "set-address", alice.email, "alice@example.net")
    lines = str(log())
    for address in (CAROL, alice.email, "alice@example.net"):
        assert address not in lines
    assert links.LIFETIMES["invite"].days == 7
