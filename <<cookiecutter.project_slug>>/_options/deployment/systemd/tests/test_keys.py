"""``flask keys rotate``: the new key is stored whole, the old one is kept, neither is shown."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from app.database import db
from app.mail import outbox
from app.mail.models import Mail
from tests.browser import SIGNED_IN, Browser
from tests.marks import asvs, practice
from tests.outbox import write


@pytest.fixture
def alice(app: Flask) -> Browser:
    """Somebody with a password."""
    return Browser(app, "203.0.113.1").signed_in_with_password("alice@example.com")


def rotate(app: Flask, *options: str) -> Any:
    return app.test_cli_runner().invoke(args=["keys", "rotate", *options])


def assignments(text: str) -> dict[str, str]:
    """The settings in an .env file."""
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
    """The key and its fallbacks in files, as systemd hands them over."""
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

    monkeypatch.setattr("app.commands.key_rotation.os.replace", refuse)
    before = [file.read_text() for file in key_files]
    result = rotate(app)
    assert result.exit_code == 1
    assert "Permission denied" in result.stderr
    assert "Nothing was changed." in result.stderr
    assert [file.read_text() for file in key_files] == before
    assert set(key_files[0].parent.iterdir()) == set(key_files)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("stopped", ["secret_key", "fallbacks"])
def test_an_interrupt_leaves_no_second_copy_of_a_key(
    app: Flask,
    environment: dict[str, str],
    key_files: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    stopped: str,
    moment: str,
) -> None:
    """Nothing is changed, or all: the key that was current until now is never lost."""
    key, fallbacks = key_files
    replace = os.replace
    times: list[str] = []

    def interrupted(source: str, target: Path) -> None:
        times.append(target.name)
        first = times.count(stopped) == 1 and target.name == stopped
        if first and moment == "before":
            raise KeyboardInterrupt
        replace(source, target)
        if first:
            raise KeyboardInterrupt

    fallbacks.write_text(f"{'x' * 50}\n")
    before = [file.read_text() for file in key_files]
    monkeypatch.setattr("app.commands.key_rotation.os.replace", interrupted)
    assert rotate(app).exit_code != 0
    assert set(key.parent.iterdir()) == set(key_files)
    if (stopped, moment) == ("secret_key", "after"):
        assert key.read_text() != before[0]
        assert fallbacks.read_text() == f"{environment['SECRET_KEY']}\n"
    else:
        assert [file.read_text() for file in key_files] == before


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
    assert visitor.write("Written", "after")

    assert rotate(once, "--env-file", str(file)).exit_code == 0
    _, visitor = restarted()
    assert not visitor.is_signed_in()
    assert visitor.sign_in(alice.email).status_code == SIGNED_IN


def test_a_rotation_is_logged(app: Flask, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / ".env"
    file.write_text(f"SECRET_KEY={app.secret_key}\n")
    assert rotate(app, "--env-file", str(file)).exit_code == 0
    assert caplog.messages == ["sys_reencrypted", "sys_key_rotated"]


@practice("secret_key")
@asvs("11.2.2")
def test_two_rotations_lose_no_mail(
    app: Flask, make_app: Callable[..., Flask], tmp_path: Path, alice: Browser
) -> None:
    """What waits is encrypted anew before each: after a leak there are two, one after the other."""
    file = tmp_path / ".env"
    file.write_text(f"SECRET_KEY={app.secret_key}\n")
    write(app, alice.email)
    service = app
    for _ in range(3):
        assert rotate(service, "--env-file", str(file)).exit_code == 0
        service = make_app(**assignments(file.read_text()))
        with service.app_context():
            (mail,) = db.session.scalars(select(Mail))
            assert outbox.content(mail)[0].startswith("Your password at ")
    # In two steps, as manage.sh does it.
    assert service.test_cli_runner().invoke(args=["keys", "reencrypt"]).exit_code == 0
    assert rotate(service, "--env-file", str(file), "--reencrypted").exit_code == 0
    with make_app(**assignments(file.read_text())).app_context():
        (mail,) = db.session.scalars(select(Mail))
        assert outbox.content(mail)
