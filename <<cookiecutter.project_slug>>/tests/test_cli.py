"""The operator's commands: what they do at once, what they refuse, and that they tell no secret."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete, select, update

from app.auth import account_lock, revocation, sessions
from app.auth.models import Session, User
from app.database import db, now
from app.mail import outbox
from app.mail.models import Mail
from tests.actions import ABSOLUTE_TIMEOUT
# <% if cookiecutter.auth == "oidc" %>
from tests.browser import CREATE_ACCOUNT, PASSWORD, SIGNED_IN, Browser
# <% else %>
from tests.browser import CREATE_ACCOUNT, SIGNED_IN, Browser
# <% endif %>
from tests.marks import asvs, practice

Cli = Callable[..., Any]
OTHER_PASSWORD = "kelp-drizzle-9-anvil-tooth"


@pytest.fixture
def alice(app: Flask) -> Browser:
    """Somebody with a password."""
    return Browser(app, "203.0.113.1").signed_in_with_password("alice@example.com")


# <% if cookiecutter.auth == "oidc" %>
def twice(password: str) -> str:
    return f"{password}\n{password}\n"


# <% endif %>
# --- users


# <% if cookiecutter.auth == "oidc" %>
def test_an_account_is_created(app: Flask, cli: Cli, browser: Browser) -> None:
    result = cli("users", CREATE_ACCOUNT, " Carol@Example.COM ", input=twice(PASSWORD))
    assert result.exit_code == 0
    assert result.stdout.endswith("Created carol@example.com.\n")
    assert PASSWORD not in result.output
    assert browser.sign_in("carol@example.com").status_code == SIGNED_IN
    with app.app_context():
        assert str(db.session.scalars(select(User.password_hash)).one()).startswith("$argon2id$")


def test_a_password_is_asked_for_until_it_was_typed_twice(cli: Cli, browser: Browser) -> None:
    typed = f"{OTHER_PASSWORD}\n{PASSWORD}\n{twice(PASSWORD)}"
    result = cli("users", CREATE_ACCOUNT, "carol@example.com", input=typed)
    assert result.exit_code == 0
    assert "do not match" in result.output
    assert browser.sign_in("carol@example.com", PASSWORD).status_code == SIGNED_IN


@pytest.mark.parametrize(
    ("email", "password", "problem"),
    [
        ("carol@example.com", "too-short-pass", "Use at least 15 characters"),
        ("carol@example.com", "password12345678", "easy to guess"),
        ("carol@example.com", "carol@example.com", "easy to guess"),
        ("carol@example.com", "x" * 129, "Use at most 128 characters"),
        ("carol", PASSWORD, "Enter an e-mail address"),
        ("carol@example.com\nx@y.example", PASSWORD, "Enter an e-mail address"),
        ("ALICE@example.com", PASSWORD, "There is an account with the address alice@example.com"),
    ],
)
def test_a_bad_account_is_refused(
    app: Flask, cli: Cli, alice: Browser, email: str, password: str, problem: str
) -> None:
    result = cli("users", CREATE_ACCOUNT, email, input=twice(password))
    assert result.exit_code == 1
    assert problem in result.stderr
    with app.app_context():
        assert db.session.scalars(select(User.email)).all() == ["alice@example.com"]


# <% endif %>
@practice("auth.sessions")
@asvs("7.4.2", "8.3.2")
def test_disabling_ends_every_session_at_once(
    app: Flask, cli: Cli, alice: Browser, bob: Browser, browser: Browser
) -> None:
    assert browser.sign_in(alice.email).status_code == SIGNED_IN
    stolen = alice.credential()
    result = cli("users", "disable", "Alice@example.com")
    assert (result.exit_code, result.stdout) == (
        0,
        "Disabled alice@example.com; sessions ended: 2.\n",
    )
    with app.app_context():
        assert len(db.session.scalars(select(Session)).all()) == 1  # bob's
    for visitor in (alice, browser):
        assert not visitor.is_signed_in()
    assert browser.sign_in(alice.email).status_code == 401
    assert bob.is_signed_in()

    result = cli("users", "enable", alice.email)
    assert (result.exit_code, result.stdout) == (0, "Enabled alice@example.com.\n")
    browser.use_credential(stolen)
    assert not browser.is_signed_in()  # what had ended stays ended
    assert browser.sign_in(alice.email).status_code == SIGNED_IN


@pytest.mark.parametrize(
    "command",
    [
        ["users", "disable", "nobody@example.com"],
        ["users", "enable", "nobody@example.com"],
        ["users", "disable", "no address"],
        ["sessions", "revoke", "--user", "nobody@example.com"],
        ["sessions", "revoke", "--user", "%"],
    ],
    ids=" ".join,
)
def test_an_unknown_account_is_an_error(cli: Cli, alice: Browser, command: list[str]) -> None:
    result = cli(*command)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert alice.is_signed_in()


@practice("auth.notices")
def test_an_account_that_is_so_already_stays_as_it_is(
    app: Flask, cli: Cli, alice: Browser, log: Callable[[], list[dict[str, Any]]]
) -> None:
    """An event or a mail would tell of a change that nobody made; tests/test_notices.py."""
    assert cli("users", "enable", alice.email).stdout == "alice@example.com is enabled already.\n"
    assert alice.is_signed_in()
    cli("users", "disable", alice.email)
    with app.app_context():
        since = db.session.scalars(select(User.disabled_at)).one()
    log()
    again = cli("users", "disable", alice.email)
    assert (again.exit_code, again.stdout) == (0, "alice@example.com is disabled already.\n")
    assert "user_disabled" not in {line["event"] for line in log()}
    with app.app_context():
        assert db.session.scalars(select(User.disabled_at)).one() == since


@practice("auth.sessions")
@asvs("15.4.2")
@pytest.mark.parametrize("command", ["disable", "enable", "unlock", "revoke"])
def test_a_command_says_that_its_account_has_just_been_deleted(
    app: Flask, cli: Cli, alice: Browser, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """Between the search for the account and its lock."""
    lock = account_lock.lock

    def deleted_first(user: User) -> bool:
        with app.app_context():
            db.session.execute(delete(User).where(User.id == user.id))
            db.session.commit()
        return lock(user)

    monkeypatch.setattr(account_lock, "lock", deleted_first)
    group = ["sessions", "revoke", "--user"] if command == "revoke" else ["users", command]
    refused = cli(*group, alice.email)
    assert refused.exit_code == 1
    assert refused.stderr == "Error: The account has just been deleted.\n"


# --- users: list, show, delete


def test_accounts_are_listed_page_by_page(app: Flask, cli: Cli) -> None:
    for name in ("one", "two", "three"):
        Browser(app).signed_in_with_password(f"{name}@example.com")
    assert cli("users", "disable", "two@example.com").exit_code == 0
    first = cli("users", "list", "--limit", "2").stdout.splitlines()
    assert [line.split()[1] for line in first[:2]] == ["three@example.com", "two@example.com"]
    assert [line.split()[-1] for line in first[:2]] == ["enabled", "disabled"]
    more = first[2].removeprefix("There are more: flask ").split()
    second = cli(*more).stdout.splitlines()
    assert [line.split()[1] for line in second] == ["one@example.com"]


@pytest.mark.parametrize("limit", ["0", "1001", "all"])
def test_a_list_is_bounded(cli: Cli, limit: str) -> None:
    assert cli("users", "list", "--limit", limit).exit_code == 2


def test_an_account_is_shown_without_a_secret(app: Flask, cli: Cli, alice: Browser) -> None:
    alice.write("A title", "A text")
    shown = cli("users", "show", "ALICE@example.com")
    assert shown.exit_code == 0
    for line in ("address: alice@example.com", "disabled: no", "stored rows: 1", "password: set"):
        assert line in shown.stdout.splitlines()
    assert "session from 203.0.113.1, last seen " in shown.stdout
    with app.app_context():
        user = db.session.scalars(select(User)).one()
        session = db.session.scalars(select(Session)).one()
    for secret in (user.password_hash, session.token_hash, session.public_id, "A title", "A text"):
        assert str(secret) not in shown.output


@practice("auth.sessions")
@asvs("7.5.2")
def test_a_session_that_has_ended_by_itself_is_not_shown(
    app: Flask, cli: Cli, alice: Browser
) -> None:
    with app.app_context():
        old = {"last_seen_at": now() - ABSOLUTE_TIMEOUT - timedelta(minutes=1)}
        db.session.execute(update(Session).values(old))
        db.session.commit()
    shown = cli("users", "show", alice.email)
    assert shown.exit_code == 0
    assert "session from" not in shown.stdout


@practice("auth.deletion")
@pytest.mark.parametrize("answer", ["n\n", "\n", ""])
def test_an_account_is_deleted_only_when_that_is_confirmed(
    app: Flask, cli: Cli, alice: Browser, answer: str
) -> None:
    refused = cli("users", "delete", alice.email, input=answer)
    assert refused.exit_code == 1
    assert alice.is_signed_in()


@practice("auth.deletion")
@asvs("7.4.2")
@pytest.mark.parametrize(("options", "answer"), [(["--yes"], ""), ([], "y\n")])
def test_an_operator_deletes_an_account(
    app: Flask, cli: Cli, alice: Browser, bob: Browser, options: list[str], answer: str
) -> None:
    done = cli("users", "delete", alice.email, *options, input=answer)
    assert (done.exit_code, done.stdout.splitlines()[-1]) == (0, "Deleted alice@example.com.")
    assert not alice.is_signed_in()
    assert bob.is_signed_in()
    with app.app_context():
        assert db.session.scalars(select(User.email)).all() == [bob.email]
        mail = db.session.scalars(select(Mail)).one()
        assert mail.recipient == alice.email
        text = outbox.content(mail)[1]
    assert text.startswith("An operator deleted your account")
    assert "signed in" not in text


def test_the_address_is_checked_before_a_password_is_asked_for(cli: Cli, alice: Browser) -> None:
    for email, problem in {
        "alice@example.com": "There is an account",
        "carol": "Enter an e-mail address",
    }.items():
        refused = cli("users", CREATE_ACCOUNT, email, input="")
        assert refused.exit_code == 1
        assert problem in refused.stderr
        assert "Password" not in refused.output


def test_no_address_is_logged(
    app: Flask, cli: Cli, alice: Browser, log: Callable[[], list[dict[str, Any]]]
) -> None:
    log()
    cli("users", "show", alice.email)
    cli("users", "list")
    cli("users", "delete", alice.email, "--yes")
    assert alice.email not in str(log())


# --- sessions


@practice("auth.sessions")
@asvs("7.4.5")
def test_sessions_end_of_one_account_or_of_all(
    app: Flask, cli: Cli, alice: Browser, bob: Browser
) -> None:
    saved = alice.credential()
    result = cli("sessions", "revoke", "--user", "ALICE@example.com")
    assert (result.exit_code, result.stdout) == (0, "Sessions ended: 1.\n")
    assert not alice.is_signed_in()
    assert bob.is_signed_in()
    alice.use_credential(saved)
    assert not alice.is_signed_in()

    assert alice.sign_in(alice.email).status_code == SIGNED_IN
    result = cli("sessions", "revoke", "--all")
    assert (result.exit_code, result.stdout) == (0, "Sessions ended: 2.\n")
    assert not alice.is_signed_in()
    assert not bob.is_signed_in()
    with app.app_context():
        assert db.session.scalars(select(Session)).all() == []


@practice("auth.sessions")
@asvs("7.4.5")
def test_everybodys_sessions_end_also_in_several_batches(
    app: Flask, cli: Cli, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    with app.app_context():
        user = db.session.scalars(select(User)).one()
        for _ in range(4):
            sessions.start(user, address="", device="", proof="password", proven_at=None)
        db.session.commit()
    monkeypatch.setattr(revocation, "BATCH", 2)
    assert cli("sessions", "revoke", "--all").stdout == "Sessions ended: 5.\n"
    assert not alice.is_signed_in()


@pytest.mark.parametrize("options", [[], ["--all", "--user", "alice@example.com"], ["--user", ""]])
def test_revoking_sessions_needs_a_user_or_all(
    cli: Cli, alice: Browser, options: list[str]
) -> None:
    result = cli("sessions", "revoke", *options)
    assert result.exit_code == 2
    assert "Give either --user EMAIL or --all." in result.stderr
    assert alice.is_signed_in()


# --- security


def test_the_check_finds_nothing_in_production(cli: Cli) -> None:
    result = cli("security", "check")
    assert (result.exit_code, result.stdout) == (0, "No problem found.\n")


def test_the_check_says_what_development_lacks(make_app: Callable[..., Flask]) -> None:
    app = make_app(APP_ENV="development", REDIS_URL=None, DOMAIN_NAME=None)
    result = app.test_cli_runner().invoke(args=["security", "check"])
    assert result.exit_code == 1
    for line in [
        "plain HTTP is answered; run with APP_ENV=production behind deploy/nginx",
        "rate limits are counted in each worker's memory; set REDIS_URL",
    ]:
        assert line in result.stdout.splitlines()
    assert str(app.secret_key) not in result.output
