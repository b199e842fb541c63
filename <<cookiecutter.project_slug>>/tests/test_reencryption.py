"""Before the key is rotated, what is stored is encrypted with it: a second rotation loses nothing."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import inspect, select, update
from sqlalchemy.orm import InstrumentedAttribute

# <% if cookiecutter.auth != "oidc" %>
from app.auth import totp
from app.auth.models import User
from app.auth.totp import AuthenticatorApp
# <% endif %>
from app.commands import reencryption
from app.commands.reencryption import BATCH, ENCRYPTED, reencrypt
from app.database import db
from app.mail import outbox
from app.mail.models import Mail
from app.secret import Secret
# <% if cookiecutter.auth == "oidc" %>
from app.security.encryption import decrypt
# <% else %>
from app.security.encryption import decrypt, encrypt
from app.security.scope import unscoped
# <% endif %>
from tests.browser import Browser
from tests.marks import asvs, practice, slow
from tests.outbox import rows, write

pytestmark = practice("encryption")
Make = Callable[..., Flask]
ALICE = "alice@example.com"


class Rotations:
    """The service, whose key is rotated again and again with one fallback."""

    def __init__(self, app: Flask, make_app: Make) -> None:
        self.app, self.make_app = app, make_app
        self.key = app.config["SETTINGS"].secret_key.reveal()

    def rotate(self) -> Flask:
        old, self.key = self.key, secrets.token_urlsafe(48)
        self.app = self.make_app(SECRET_KEY=self.key, SECRET_KEY_FALLBACKS=old)
        return self.app


@pytest.fixture
def rotations(app: Flask, make_app: Make) -> Rotations:
    return Rotations(app, make_app)


def stored(app: Flask) -> list[str]:
    """What is stored encrypted, as it is."""
    with app.app_context():
        return [
            value
            for model, column, _ in ENCRYPTED
            for value in db.session.scalars(select(column).order_by(model.id))
        ]


def texts(app: Flask) -> list[str]:
    """What is stored encrypted, in plain text.

    :raises ValueError: when no key of the service reads it.
    """
    with app.app_context():
        return [
            decrypt(value, purpose).reveal()
            for model, column, purpose in ENCRYPTED
            for value in db.session.scalars(select(column).order_by(model.id))
            if value
        ]


@pytest.fixture
def before(app: Flask, alice: Browser) -> list[str]:
    """There is something in each encrypted column: its plain text."""
    write(app, ALICE, "bob@example.com")
    # <% if cookiecutter.auth != "oidc" %>
    with app.app_context():
        stored = {it: encrypt(Secret(it), totp.PURPOSE) for it in ("secret", "new_secret")}
        mine = AuthenticatorApp(user_id=db.session.scalars(select(User.id)).one(), **stored)
        db.session.add(unscoped(mine, "tests"))
        db.session.commit()
    # <% endif %>
    found = texts(app)
    assert len(found) == len(ENCRYPTED) + 1
    return found


def renew(app: Flask) -> tuple[int, int]:
    with app.app_context():
        return reencrypt()


@asvs("11.2.2")
def test_two_rotations_lose_nothing(rotations: Rotations, before: list[str]) -> None:
    for _ in range(3):
        renew(rotations.app)
        assert texts(rotations.rotate()) == before


def test_two_rotations_without_reencryption_lose_all_texts(
    rotations: Rotations, before: list[str]
) -> None:
    """So the test above proves something."""
    assert texts(rotations.rotate()) == before
    with pytest.raises(ValueError, match="not encrypted with a key"):
        texts(rotations.rotate())


def test_rows_of_the_current_key_are_not_reencrypted(
    rotations: Rotations, before: list[str]
) -> None:
    at_first = stored(rotations.app)
    assert renew(rotations.app) == (0, 0)
    assert stored(rotations.app) == at_first
    assert renew(rotations.rotate()) == (len(before), 0)
    assert not {*stored(rotations.app)} & {*at_first}
    assert texts(rotations.app) == before


def test_reencryption_works_in_batches(
    rotations: Rotations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reencryption, "BATCH", 3)
    write(rotations.app, *(f"user{number}@example.com" for number in range(7)))
    with rotations.app.app_context():
        sent = Mail.recipient == Secret("user5@example.com")
        db.session.execute(update(Mail).where(sent).values(content=""))
        db.session.commit()
    assert renew(rotations.rotate()) == (6, 0), "a mail that was sent has no text"
    assert BATCH == 100


@asvs("15.4.2")
@pytest.mark.parametrize("change", ["", "sent"])
def test_a_row_that_changes_meanwhile_is_not_overwritten(
    rotations: Rotations, before: list[str], monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """A mail is sent and its text deleted: it would come back."""
    app, renewed = rotations.rotate(), reencryption.renewed

    def overtaken(value: str, purpose: str) -> str | None:
        new = renewed(value, purpose)
        for model, column, _ in ENCRYPTED:
            this = update(model).where(column == value)
            db.session.execute(this.values({column: change}), execution_options=reencryption.OF_ALL)
            db.session.commit()
        return new

    monkeypatch.setattr(reencryption, "renewed", overtaken)
    assert renew(app)[0] == 0
    assert {*stored(app)} == {change}


@slow
def test_undecryptable_rows_are_counted_and_skipped(
    app: Flask, make_app: Make, before: list[str]
) -> None:
    old = app.config["SETTINGS"].secret_key.reveal()
    write(make_app(SECRET_KEY=secrets.token_urlsafe(48)), "carol@example.com")
    rotated = make_app(SECRET_KEY=secrets.token_urlsafe(48), SECRET_KEY_FALLBACKS=old)
    lost = rows(rotated)[-1].content
    done = rotated.test_cli_runner().invoke(args=["keys", "reencrypt"])
    assert done.exit_code == 0, done.output
    assert done.stdout == (
        f"Encrypted with the current key: {len(before)}.\n"
        "Texts that no key decrypts: 1; they were lost before.\n"
    )
    assert rows(rotated)[-1].content == lost
    assert not [text for text in before if text in done.output]


def test_the_action_is_logged(app: Flask, cli: Any, caplog: pytest.LogCaptureFixture) -> None:
    assert cli("keys", "reencrypt").exit_code == 0
    assert caplog.messages == ["sys_reencrypted"]


@pytest.mark.parametrize(("given", "runs"), [("", False), ("x" * 64, False), (None, True)])
def test_the_scripts_tell_which_key_should_run(app: Flask, given: str | None, runs: bool) -> None:
    """After a rotation that was not deployed, the service still has the key before: another one
    would lose it."""
    key = app.config["SETTINGS"].secret_key.reveal()
    runner = app.test_cli_runner()
    text = f"{key if given is None else given}\n"
    done = runner.invoke(args=["keys", "reencrypt", "--expect-key"], input=text)
    assert (done.exit_code == 0) is runs
    # <% if cookiecutter.deployment == "systemd" %>
    assert ("systemctl restart" in done.stderr) is not runs
    # <% else %>
    assert ("deploy" in done.stderr) is not runs
    # <% endif %>
    assert key not in done.output


def test_every_encrypted_column_is_named() -> None:
    """Another one would be lost with the second rotation."""
    callers = {
        str(path)
        for path in Path("app").rglob("*.py")
        if re.search(r"\bencrypt\(", path.read_text("utf-8")) and path.name != "encryption.py"
    }
    named = {f"{it[0].__module__.replace('.', '/')}.py" for it in ENCRYPTED}
    assert callers == {path.replace("mail/models", "mail/outbox") for path in named}
    for model in {it[0] for it in ENCRYPTED}:
        columns = (it.key for it in inspect(model).columns)
        secrets_of = {key for key in columns if re.search("secret|content", key)}
        assert secrets_of == {it[1].key for it in ENCRYPTED if it[0] is model}
    assert all(isinstance(column, InstrumentedAttribute) for _, column, _ in ENCRYPTED)
    assert outbox.PURPOSE in {purpose for _, _, purpose in ENCRYPTED}
