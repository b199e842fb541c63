"""The operator's commands: what they do at once, what they refuse, and that they tell no secret."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from app.auth import sessions
from app.auth.models import Session, User
from app.database import db
from tests.browser import CREATE_ACCOUNT, PASSWORD, SIGNED_IN, Browser
from tests.marks import asvs, practice

Cli = Callable[..., Any]
OTHER_PASSWORD = "kelp-drizzle-9-anvil-tooth"


@pytest.fixture
def alice(app: Flask) -> Browser:
    """Somebody with a password."""
    return Browser(app, "203.0.113.1").signed_in_with_password("alice@example.com")


def twice(password: str) -> str:
    return f"{password}\n{password}\n"


# --- users


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
def test_everybodys_sessions_end_also_in_several_batches(
    app: Flask, cli: Cli, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    with app.app_context():
        user = db.session.scalars(select(User)).one()
        for _ in range(4):
            sessions.start(user, address="", device="")
        db.session.commit()
    monkeypatch.setattr(sessions, "BATCH", 2)
    assert cli("sessions", "revoke", "--all").stdout == "Sessions ended: 5.\n"
    assert not alice.is_signed_in()


@pytest.mark.parametrize("options", [[], ["--all", "--user", "alice@example.com"], ["--user", ""]])
def test_it_must_be_said_whose_sessions_end(cli: Cli, alice: Browser, options: list[str]) -> None:
    result = cli("sessions", "revoke", *options)
    assert result.exit_code == 2
    assert "Give either --user EMAIL or --all." in result.stderr
    assert alice.is_signed_in()


# --- keys


def rotate(app: Flask, *options: str) -> Any:
    return app.test_cli_runner().invoke(args=["keys", "rotate", *options])


def assignments(text: str) -> dict[str, str]:
    """What an .env file sets."""
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line and line[0] != "#")


@practice("secret_key")
@asvs("11.2.2")
@pytest.mark.parametrize("quote", ["", "'", '"'])
def test_the_key_in_an_env_file_is_rotated(
    app: Flask, environment: dict[str, str], tmp_path: Path, quote: str
) -> None:
    file = tmp_path / ".env"
    old = environment["SECRET_KEY"]
    file.write_text(
        f"# SECRET_KEY=commented\nAPP_ENV=development\n\nSECRET_KEY={quote}{old}{quote}\n"
        f"SECRET_KEY_FALLBACKS={'x' * 50}\nOTHER_SECRET_KEY=stays # too"
    )
    file.chmod(0o600)
    result = rotate(app, "--env-file", str(file))
    assert result.exit_code == 0, result.output
    assert f"New SECRET_KEY in {file}." in result.stdout
    lines = file.read_text().splitlines()
    new = assignments(file.read_text())["SECRET_KEY"]
    assert lines == [
        "# SECRET_KEY=commented",
        "APP_ENV=development",
        "",
        "OTHER_SECRET_KEY=stays # too",
        f"SECRET_KEY={new}",
        f"SECRET_KEY_FALLBACKS={old}",
    ]
    assert len(new) == 64
    assert new != old
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [file]  # no second copy of the key
    for key in (old, new):
        assert key not in result.output


@pytest.fixture
def key_files(
    tmp_path: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> tuple[Path, Path]:
    """The key and its fallbacks in files, as Docker, Kubernetes and systemd keep them."""
    key, fallbacks = tmp_path / "secret_key", tmp_path / "fallbacks"
    key.write_text(f"{environment['SECRET_KEY']}\n")
    fallbacks.write_text("")
    key.chmod(0o400)
    fallbacks.chmod(0o440)
    monkeypatch.delenv("SECRET_KEY", raising=False)
    monkeypatch.setenv("SECRET_KEY_FILE", str(key))
    monkeypatch.setenv("SECRET_KEY_FALLBACKS_FILE", str(fallbacks))
    return key, fallbacks


@practice("secret_key")
@asvs("11.2.2")
def test_keys_in_files_are_rotated(
    app: Flask, environment: dict[str, str], key_files: tuple[Path, Path]
) -> None:
    key, fallbacks = key_files
    old = environment["SECRET_KEY"]
    result = rotate(app)
    assert result.exit_code == 0, result.output
    assert f"New SECRET_KEY in {key}." in result.stdout
    assert fallbacks.read_text() == f"{old}\n"
    assert len(key.read_text().strip()) == 64
    assert key.read_text().strip() != old
    for secret in (old, key.read_text().strip()):
        assert secret not in result.output
    assert key.stat().st_mode & 0o777 == 0o400
    assert fallbacks.stat().st_mode & 0o777 == 0o440
    assert set(key.parent.iterdir()) == {key, fallbacks}


@pytest.mark.parametrize("failing", ["secret_key", "fallbacks"])
def test_a_file_that_cannot_be_written_changes_nothing(
    app: Flask,
    environment: dict[str, str],
    key_files: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    failing: str,
) -> None:
    replace = os.replace

    def refuse(source: str, target: Path) -> None:
        if target.name == failing:
            raise PermissionError(13, "Permission denied", str(target))
        replace(source, target)

    monkeypatch.setattr("app.commands.keys.os.replace", refuse)
    before = [file.read_text() for file in key_files]
    result = rotate(app)
    assert result.exit_code == 1
    assert "Permission denied" in result.stderr
    assert "Nothing was changed." in result.stderr
    assert [file.read_text() for file in key_files] == before
    assert set(key_files[0].parent.iterdir()) == set(key_files)


def test_the_old_key_needs_a_file_as_well(
    app: Flask, key_files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SECRET_KEY_FALLBACKS_FILE")
    before = key_files[0].read_text()
    result = rotate(app)
    assert result.exit_code == 1
    assert "SECRET_KEY_FALLBACKS_FILE" in result.stderr
    assert key_files[0].read_text() == before


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "SECRET_KEY comes from the environment and there is no"),
        ("APP_ENV=production\n", "does not hold the SECRET_KEY in use"),
        (f"SECRET_KEY={secrets.token_urlsafe(48)}\n", "does not hold the SECRET_KEY in use"),
    ],
    ids=["no file", "no key", "another key"],
)
def test_a_key_that_is_kept_elsewhere_is_left_alone(
    app: Flask, tmp_path: Path, content: str | None, problem: str
) -> None:
    file = tmp_path / ".env"
    if content is not None:
        file.write_text(content)
    result = rotate(app, "--env-file", str(file))
    assert result.exit_code == 1
    assert problem in result.stderr
    assert "Nothing was changed." in result.stderr
    assert (file.read_text() if file.exists() else None) == content


@practice("secret_key")
@asvs("11.2.2")
def test_a_rotation_signs_nobody_out_and_the_second_ends_the_old_key(
    app: Flask, alice: Browser, make_app: Callable[..., Flask], tmp_path: Path
) -> None:
    file = tmp_path / ".env"
    file.write_text(f"SECRET_KEY={app.secret_key}\n")
    saved = alice.credential()

    def restarted() -> tuple[Flask, Browser]:
        """The service with the new keys, visited with the old credential."""
        app = make_app(**assignments(file.read_text()))
        visitor = Browser(app)
        visitor.use_credential(saved)
        return app, visitor

    assert rotate(app, "--env-file", str(file)).exit_code == 0
    once, visitor = restarted()
    assert visitor.is_signed_in()
    assert visitor.write_note("Written", "after")

    assert rotate(once, "--env-file", str(file)).exit_code == 0
    _, visitor = restarted()
    assert not visitor.is_signed_in()
    assert visitor.sign_in(alice.email).status_code == SIGNED_IN


def test_a_rotation_is_logged(app: Flask, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / ".env"
    file.write_text(f"SECRET_KEY={app.secret_key}\n")
    assert rotate(app, "--env-file", str(file)).exit_code == 0
    assert [record.message for record in caplog.records] == ["sys_key_rotated"]


# --- security


def test_the_check_finds_nothing_in_production(cli: Cli) -> None:
    result = cli("security", "check")
    assert (result.exit_code, result.output) == (0, "No problem found.\n")


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
