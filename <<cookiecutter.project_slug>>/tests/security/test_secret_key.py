"""Secrets that can be guessed, or that are shown: keys, passwords, tokens."""

from __future__ import annotations

import secrets
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from app.auth.models import Session, User
from app.database import db
from app.security import secret_key
from app.settings import ConfigurationError, Settings
from tests import needs
from tests.browser import DOMAIN, Browser
from tests.marks import asvs, slow

HINT = "make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
GOOD = secrets.token_urlsafe(48)
GUESSABLE = {
    "": "is not set",
    "dev": "is shorter than 43 characters",
    secrets.token_urlsafe(31): "is shorter than 43 characters",
    "a" * 64: "can be guessed",
    "0123456789" * 5: "can be guessed",
    "your-secret-key-goes-here-please-change-it-before-use": "can be guessed",
    "django-insecure-6l3w@y0u&8v#m2q(r9z^t1k!x4c7b5n*p_e+j-a": "can be guessed",
    "This-Is-The-Development-Only-Default-Signing-0f-Cookies": "can be guessed",
    # From the documentation of Flask and of FastAPI.
    "192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf": "is a published example",
    "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7": "is a published example",
}


def problems(make_app: Callable[..., Flask], **changes: str | None) -> list[str]:
    """Why the service refuses to start; nothing when it does start."""
    try:
        make_app(**changes)
    except ConfigurationError as error:
        return error.problems
    return []


@asvs("11.2.3", "11.5.1")
@pytest.mark.parametrize("key", GUESSABLE, ids=range(len(GUESSABLE)))
def test_a_guessable_key_is_refused(make_app: Callable[..., Flask], key: str) -> None:
    (problem,) = problems(make_app, SECRET_KEY=key)
    assert problem.startswith(f"SECRET_KEY {GUESSABLE[key]}")
    assert problem.endswith(f"; {HINT}")
    assert not key or key not in problem
    if key:
        (problem,) = problems(make_app, SECRET_KEY_FALLBACKS=f"{GOOD},{key}")
        assert problem.startswith(f"SECRET_KEY_FALLBACKS {GUESSABLE[key]}")


def test_a_repeated_key_is_refused(make_app: Callable[..., Flask]) -> None:
    found = problems(make_app, SECRET_KEY_FALLBACKS=f"{GOOD} {GOOD}")
    assert found == [f"SECRET_KEY_FALLBACKS repeats a key; {HINT}"]


@slow
def test_a_rotation_that_was_stopped_keeps_nobody_out(make_app: Callable[..., Flask]) -> None:
    """Between its two files, the current key is a fallback as well. A host may start again then."""
    older = secrets.token_urlsafe(48)
    for given, left in ((GOOD, []), (f"{older},{GOOD}", [older])):
        service = make_app(SECRET_KEY=GOOD, SECRET_KEY_FALLBACKS=given)
        assert service.config["SECRET_KEY_FALLBACKS"] == left


def test_every_random_key_is_accepted(app: Flask) -> None:
    for make in (secrets.token_urlsafe, secrets.token_hex):
        for _ in range(200):
            app.secret_key = make(48)
            assert list(secret_key.check(app)) == []
    # Chance writes a word now and then; this one did, once in a million.
    app.secret_key = f"{secrets.token_urlsafe(48)}aA0flask"
    assert list(secret_key.check(app)) == []


# --- Secrets come from the environment or from files


@asvs("13.3.1")
def test_secrets_are_read_from_files(environment: dict[str, str], tmp_path: Path) -> None:
    def settings(**changes: str | None) -> Settings:
        values = {k: v for k, v in {**environment, **changes}.items() if v is not None}
        return Settings.from_environment(values)

    (tmp_path / "named").write_text(f"{GOOD}\n")
    (tmp_path / "SECRET_KEY").write_text(f"credential-{GOOD}\n")
    named = {"SECRET_KEY_FILE": str(tmp_path / "named")}
    credentials = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert settings(SECRET_KEY=None, **named).secret_key == GOOD
    assert settings(SECRET_KEY=None, **credentials).secret_key == f"credential-{GOOD}"
    # A variable comes first, then the named file, then systemd's.
    assert settings(SECRET_KEY=None, **named, **credentials).secret_key == GOOD
    assert settings(**named, **credentials).secret_key == environment["SECRET_KEY"]
    for name in ("DATABASE_URL", "REDIS_URL", "DOMAIN_NAME", "SECRET_KEY_FALLBACKS"):
        value = environment.get(name, GOOD)
        (tmp_path / name).write_text(f"\n  {value} \n")
        assert settings(**{name: None}, **credentials) == settings(**{name: value})


def test_repr_shows_no_secret(app: Flask, environment: dict[str, str]) -> None:
    Browser(app).with_password("alice@example.com")
    values = {**environment, "SECRET_KEY_FALLBACKS": GOOD, "REDIS_URL": "redis://:canary@localhost"}
    shown = repr(Settings.from_environment(values))
    assert DOMAIN in shown
    for secret in (environment["SECRET_KEY"], environment["DATABASE_URL"], GOOD, "canary"):
        assert secret not in shown
    with app.app_context():
        user, session = (
            db.session.scalars(select(User)).one(),
            db.session.scalars(select(Session)).one(),
        )
        assert repr(user) == f"<User {user.id}>"
        assert session.token_hash not in repr(session)
        assert "$argon2id$" not in str(vars(db.session)) + repr(app.config["SQLALCHEMY_ENGINES"])


def test_git_leaves_out_what_is_secret(tmp_path: Path) -> None:
    needs.program("git")
    secret = "backups/1.sqlite3 secrets/SECRET_KEY instance/development.sqlite3 a.sqlite3-wal"
    secret += " .env .env.production privkey.pem tls.key"
    shutil.copy(".gitignore", tmp_path)
    for command in (["init", "--quiet"], ["check-ignore", *secret.split(), ".env.example"]):
        result = subprocess.run(["git", *command], cwd=tmp_path, capture_output=True, text=True)
    assert result.stdout.split() == secret.split()
