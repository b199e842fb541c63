"""Sensitive data exposure: guessable keys, files that are not pages, pages that a cache keeps."""

from __future__ import annotations

import re
import secrets
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from app.auth.models import Session, User
from app.database import db
from app.security import exposure
from app.settings import ConfigurationError, Settings
from tests.browser import CHALLENGED, DOMAIN, Browser
from tests.marks import asvs
from tests.routes import own_path, routes

CURE = "make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
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
    # Printed in the documentation of Flask and of FastAPI, and copied from there.
    "192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf": "",
    "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7": "",
}


def problems(make_app: Callable[..., Flask], **changes: str | None) -> list[str]:
    """Why the service refuses to start; nothing when it does start."""
    try:
        make_app(**changes)
    except ConfigurationError as error:
        return error.problems
    return []


@asvs("11.5.1")
@pytest.mark.parametrize("key", GUESSABLE, ids=range(len(GUESSABLE)))
def test_a_guessable_key_is_refused(make_app: Callable[..., Flask], key: str) -> None:
    (problem,) = problems(make_app, SECRET_KEY=key)
    assert problem.startswith(f"SECRET_KEY {GUESSABLE[key]}")
    assert problem.endswith(f"; {CURE}")
    assert not key or key not in problem
    if key:
        (problem,) = problems(make_app, SECRET_KEY_FALLBACKS=f"{GOOD},{key}")
        assert problem.startswith(f"SECRET_KEY_FALLBACKS {GUESSABLE[key]}")


def test_a_repeated_key_is_refused(make_app: Callable[..., Flask]) -> None:
    for changes in (
        {"SECRET_KEY": GOOD, "SECRET_KEY_FALLBACKS": GOOD},
        {"SECRET_KEY_FALLBACKS": f"{GOOD} {GOOD}"},
    ):
        assert problems(make_app, **changes) == [f"SECRET_KEY_FALLBACKS repeats a key; {CURE}"]


def test_every_random_key_is_accepted(app: Flask) -> None:
    for make in (secrets.token_urlsafe, secrets.token_hex):
        for _ in range(200):
            app.secret_key = make(48)
            assert list(exposure.check(app)) == []
    # Chance writes a word now and then; this one did, once in a million.
    app.secret_key = f"{secrets.token_urlsafe(48)}aA0flask"
    assert list(exposure.check(app)) == []


@pytest.mark.parametrize("contact", ["security@example.com", "http://example.com/", "javascript:x"])
def test_a_contact_that_nobody_can_use_is_refused(
    make_app: Callable[..., Flask], contact: str
) -> None:
    assert problems(make_app, SECURITY_CONTACT=contact) == [
        "SECURITY_CONTACT is no address; write mailto:... or https://..."
    ]


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
    if not shutil.which("git"):
        pytest.skip("needs git")
    secret = "backups/1.sqlite3 secrets/SECRET_KEY instance/development.sqlite3 a.sqlite3-wal"
    secret += " .env .env.production privkey.pem tls.key"
    shutil.copy(".gitignore", tmp_path)
    for command in (["init", "--quiet"], ["check-ignore", *secret.split(), ".env.example"]):
        result = subprocess.run(["git", *command], cwd=tmp_path, capture_output=True, text=True)
    assert result.stdout.split() == secret.split()


# --- What is no page is not found


HIDDEN = """
/.git/config /.git/HEAD /.env /.env.example /.htaccess /.well-known/ /wsgi.py /app/settings.py
/requirements.lock /pyproject.toml /instance/development.sqlite3 /migrations/env.py
/static/ /static/../wsgi.py /static/..%2fwsgi.py /static/%2e%2e/wsgi.py /static/..%5c..%5cwsgi.py
/static/../../etc/passwd /static//etc/passwd /static/%2fetc%2fpasswd /static/.../wsgi.py
/%2fetc/passwd /etc/passwd /templates/base.html /static/app.css.map /static/app.css%00
/console /debug /admin /server-status /metrics /robots.txt /nonexist.css
""".split()
# Web cache deception: a cache that goes by the ending takes somebody's page for a public file.
DECEPTIVE = """
/notes/x.css /notes/%2e%2e/x.css /notes/;x.css /notes/%0ax.css /account/x.js /account/;x.css
/account/password/x.css /account.css /notes.css /auth/login/x.ico
""".split()


@asvs("13.4.1", "13.4.3", "14.2.5")
@pytest.mark.parametrize("paths", [HIDDEN, DECEPTIVE], ids=["hidden", "deceptive"])
def test_nothing_but_routes_is_served(browser: Browser, alice: Browser, paths: list[str]) -> None:
    own = [alice.write_note() + ending for ending in ("/x.css", ".css", ";x.css", "%2fx.css")]
    for visitor in (browser, alice):
        for path in [*paths, *own]:
            response = visitor.get(path, follow_redirects=True)
            assert response.status_code == 404, path
            assert response.headers["Cache-Control"] == "no-store", path
            assert alice.email not in response.text


# --- Nothing personal is kept


@asvs("14.2.2", "14.3.2")
def test_no_response_is_kept_but_static_files(app: Flask, browser: Browser, alice: Browser) -> None:
    alice.write_note()
    statuses = set()
    for visitor in (browser, alice):
        for route in routes(app):
            response = visitor.open(route.method, own_path(app, route, alice.email))
            kept = route.endpoint == "static" and response.status_code == 200
            expected = "no-cache" if kept else "no-store"  # no-cache: ask before every use
            assert response.headers["Cache-Control"] == expected, route
            statuses.add(response.status_code)
    assert statuses >= {200, CHALLENGED, 401}


# --- security.txt


def test_security_txt_says_where_to_report(browser: Browser) -> None:
    response = browser.get("/.well-known/security.txt")
    assert response.status_code == 200
    assert response.content_type == "text/plain; charset=utf-8"
    fields = dict(line.split(": ", 1) for line in response.text.splitlines())
    assert list(fields) == ["Contact", "Expires", "Canonical", "Preferred-Languages"]
    assert re.fullmatch(r"(mailto:[^@\s]+@[^@\s]+|https://\S+)", fields["Contact"])
    assert fields["Canonical"] == f"https://{DOMAIN}/.well-known/security.txt"
    # RFC 9116, section 2.5.5: less than a year ahead
    left = datetime.fromisoformat(fields["Expires"]) - datetime.now(UTC)
    assert timedelta(days=30) < left < timedelta(days=365)


def test_the_contact_is_a_setting(make_app: Callable[..., Flask]) -> None:
    app = make_app(SECURITY_CONTACT="https://example.com/report")
    assert (
        "Contact: https://example.com/report\n"
        in Browser(app).get("/.well-known/security.txt").text
    )
