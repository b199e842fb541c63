"""Start-up: production refuses what is missing or unsafe, with one clear line for each problem."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from flask import Flask

from app.settings import ConfigurationError, Settings
from tests.browser import HOME, SIGNED_IN, Browser
from tests.marks import asvs, practice, slow

pytestmark = practice("secret_key")

ROOT = Path(__file__).parents[1]
NOTHING_SET = [
    "SECRET_KEY is not set; make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(48))'",
    "DATABASE_URL is not set; name the database, see .env.example",
    "REDIS_URL is not set; write the URL of a Redis, which counts for all workers",
    "DOMAIN_NAME is not set; write the host name that users see",
    # <% if cookiecutter.auth == "oidc" %>
    "OIDC_ISSUER is not set; write the provider's address, as in its discovery document",
    "OIDC_CLIENT_ID is not set; write the id that the provider gave to this service",
    "OIDC_CLIENT_SECRET is not set; name a file with it in OIDC_CLIENT_SECRET_FILE",
    # <% endif %>
]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python in an environment that has only these variables, and nothing from ``.env``."""
    fixed = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", "FLASK_SKIP_DOTENV": "1"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=fixed | environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def refusal(problems: list[str]) -> str:
    return "".join(f"Refusing to start: {problem}\n" for problem in problems)


# --- The real thing: a process of its own


@slow
@asvs("13.3.1")
def test_production_refuses_to_start_with_nothing_set() -> None:
    result = run("-c", "import wsgi")
    assert (result.returncode, result.stdout, result.stderr) == (3, "", refusal(NOTHING_SET))


@slow
def test_the_flask_command_refuses_as_well() -> None:
    result = run("-m", "flask", "--app", "wsgi", "db", "upgrade", APP_ENV="production")
    assert (result.returncode, result.stdout, result.stderr) == (3, "", refusal(NOTHING_SET))


@slow
@asvs("13.4.2")
def test_production_refuses_to_start_in_debug_mode(environment: dict[str, str]) -> None:
    result = run("-c", "import wsgi", FLASK_DEBUG="1", **environment)
    problem = "DEBUG is on; unset FLASK_DEBUG and the setting"
    assert (result.returncode, result.stdout, result.stderr) == (3, "", refusal([problem]))


@slow
def test_production_starts_when_all_is_well(environment: dict[str, str]) -> None:
    result = run("-W", "error", "-c", "import wsgi", **environment)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@slow
def test_development_needs_nothing() -> None:
    code = (
        "import wsgi; client = wsgi.app.test_client()\n"
        f"print([client.get(p).status_code for p in ('{HOME}', '/healthz')])"
    )
    result = run("-c", code, APP_ENV="development")
    assert result.returncode == 0, result.stderr
    assert result.stdout == "[200, 200]\n"


@slow
def test_gunicorn_stops_when_a_setting_is_bad(tmp_path: Path, environment: dict[str, str]) -> None:
    # A worker that is started again and again would hide the reason in a flood of lines.
    socket = tmp_path / "app.sock"
    values = {**environment, "GUNICORN_BIND": f"unix:{socket}", "SECRET_KEY": "dev"}
    result = run("-m", "gunicorn", "--config", "deploy/gunicorn.conf.py", **values)
    assert result.returncode == 3, result.stderr
    lines = [line for line in result.stderr.splitlines() if line.startswith("Refusing to start: ")]
    assert len(lines) == 1
    assert lines[0].startswith("Refusing to start: SECRET_KEY is shorter than 43 characters; ")
    assert "Traceback" not in result.stderr
    assert not socket.exists()


# --- Every setting


def problems(make_app: Callable[..., Flask], **changes: str | None) -> list[str]:
    try:
        make_app(**changes)
    except ConfigurationError as error:
        return error.problems
    return []


NO_REDIS_URL = "REDIS_URL is not a Redis URL; write redis://, rediss:// or redis+unix://"
REPEATED = "REDIS_URL has the option db twice; write it once"
NO_HOST = "DOMAIN_NAME is {!r}; write one host name without scheme, port or path"
NO_MAIL_URL = "MAIL_URL is not the URL of a mail server; write smtps://USER:PASSWORD@HOST"
NO_SENDER = "MAIL_FROM is {!r}; write an address such as name@example.com"
NO_METRICS = "METRICS_ADDRESS is {!r}; write ADDRESS:PORT, such as 127.0.0.1:9464"
NO_CERTIFICATE = "CERTIFICATE_ADDRESS is {!r}; write HOST:PORT, such as 127.0.0.1:443"
BAD: list[tuple[str, str | None, str]] = [
    ("APP_ENV", "prod", "APP_ENV is 'prod'; write production or development"),
    ("APP_ENV", "Production", "APP_ENV is 'Production'; write production or development"),
    ("SECRET_KEY", None, NOTHING_SET[0]),
    ("DATABASE_URL", None, NOTHING_SET[1]),
    ("DATABASE_URL", "  ", NOTHING_SET[1]),
    ("REDIS_URL", None, NOTHING_SET[2]),
    ("REDIS_URL", "memory://", NO_REDIS_URL),
    ("REDIS_URL", "localhost:6379", NO_REDIS_URL),
    ("REDIS_URL", "http://localhost", NO_REDIS_URL),
    ("REDIS_URL", "redis://", NO_REDIS_URL),
    ("REDIS_URL", "redis://localhost:port", NO_REDIS_URL),
    ("REDIS_URL", "redis://[", NO_REDIS_URL),
    ("REDIS_URL", "redis+unix://", NO_REDIS_URL),
    ("REDIS_URL", "redis+sentinel://localhost:26379/limits", NO_REDIS_URL),
    ("REDIS_URL", "redis+cluster://localhost:7000,localhost:7001", NO_REDIS_URL),
    ("REDIS_URL", "redis://localhost?db=x", NO_REDIS_URL),
    ("REDIS_URL", "redis://localhost?db=0&db=1", REPEATED),
    ("DOMAIN_NAME", None, NOTHING_SET[3]),
    ("DOMAIN_NAME", "https://example.com", NO_HOST.format("https://example.com")),
    ("DOMAIN_NAME", "example.com:8443", NO_HOST.format("example.com:8443")),
    ("DOMAIN_NAME", "example.com/app", NO_HOST.format("example.com/app")),
    ("DOMAIN_NAME", "a.example b.example", NO_HOST.format("a.example b.example")),
    ("DOMAIN_NAME", ".example.com", NO_HOST.format(".example.com")),
    ("DOMAIN_NAME", "*.example.com", NO_HOST.format("*.example.com")),
    ("DOMAIN_NAME", "*", NO_HOST.format("*")),
    ("DOMAIN_NAME", "-a.example", NO_HOST.format("-a.example")),
    ("MAIL_URL", "mail.example.com", NO_MAIL_URL),
    ("MAIL_URL", "http://mail.example.com", NO_MAIL_URL),
    ("MAIL_URL", "smtps://", NO_MAIL_URL),
    ("MAIL_URL", "smtps://[", NO_MAIL_URL),
    ("MAIL_URL", "smtps://mail.example.com:port", NO_MAIL_URL),
    ("MAIL_URL", "smtps://mail.example.com:0", NO_MAIL_URL),
    ("MAIL_URL", "smtps://mail.example.com/path", NO_MAIL_URL),
    ("MAIL_URL", "smtps://mail.example.com?ssl_ca_certs", NO_MAIL_URL),
    ("MAIL_URL", "smtps://user:%ff@mail.example.com", NO_MAIL_URL),
    (
        "MAIL_URL",
        "smtps://user:p%C3%A4ss@mail.example.com",
        "MAIL_URL has a character in user or password that is not ASCII; SMTP knows no other",
    ),
    (
        "MAIL_URL",
        "smtp://user:password@localhost",
        "MAIL_URL sends a password without TLS; leave it out, or write smtps://",
    ),
    (
        "MAIL_URL",
        "smtps://mail.example.com?verify=no",
        "MAIL_URL has the unknown option verify; allowed: ssl_ca_certs",
    ),
    (
        "MAIL_URL",
        "smtps://mail.example.com?ssl_ca_certs=/nothing",
        "MAIL_URL names a file that is not there: ssl_ca_certs=/nothing",
    ),
    # gunicorn would listen on every address, or on port 8000.
    *(
        ("METRICS_ADDRESS", it, NO_METRICS.format(it))
        for it in ("9464", "localhost:9464", "127.0.0.1", "unix:/x", "127.0.0.1:0", ":9464")
    ),
    ("METRICS_ADDRESS", "127.0.0.1:65536", NO_METRICS.format("127.0.0.1:65536")),
    *(
        ("CERTIFICATE_ADDRESS", it, NO_CERTIFICATE.format(it))
        for it in ("443", "nginx", "nginx:0", "nginx:65536", ":443", "https://nginx:443", "[::1]")
    ),
    ("MAIL_FROM", "nobody", NO_SENDER.format("nobody")),
    ("MAIL_FROM", "Name <a@example.com>", NO_SENDER.format("Name <a@example.com>")),
    ("MAIL_FROM", "a@example.com, b@example.com", NO_SENDER.format("a@example.com, b@example.com")),
    ("MAIL_FROM", "a@example.com\nBcc: b@x", NO_SENDER.format("a@example.com\nBcc: b@x")),
    ("MAIL_FROM", "j\u00f6rg@example.com", NO_SENDER.format("j\u00f6rg@example.com")),
]


def test_a_bad_setting_is_named_with_its_cure(make_app: Callable[..., Flask]) -> None:
    assert problems(make_app) == []
    for name, value, problem in BAD:
        assert problems(make_app, **{name: value}) == [problem], value


def test_all_problems_are_reported_at_once(make_app: Callable[..., Flask]) -> None:
    changes = {"APP_ENV": "x", "DATABASE_URL": "x", "REDIS_URL": "x", "DOMAIN_NAME": "x:1"}
    found = problems(make_app, **changes)
    assert [problem.split()[0] for problem in found] == list(changes)


@slow
def test_a_good_setting_is_taken(make_app: Callable[..., Flask]) -> None:
    for name, value in {
        "REDIS_URL": "rediss://user:p%40ss@redis.example:6380/1",
        "DOMAIN_NAME": "Service.Example.COM",
        "SECURITY_CONTACT": "https://example.com/security",
        "SECRET_KEY_FALLBACKS": None,
        "MAIL_URL": "smtps://user:p%40ss@mail.example.com:465",
        "MAIL_FROM": "service@b\u00fccher.example",
        "METRICS_ADDRESS": "[::1]:9464",
        "CERTIFICATE_ADDRESS": "nginx:65535",
        "APP_ENV": None,  # production, unless something else is said
    }.items():
        assert problems(make_app, **{name: value}) == [], name
    assert make_app(DOMAIN_NAME="Service.Example.COM").config["TRUSTED_HOSTS"] == [
        "service.example.com"
    ]
    assert make_app(APP_ENV=None).config["SETTINGS"].production


SETTINGS = (
    "APP_ENV SECRET_KEY SECRET_KEY_FALLBACKS DATABASE_URL REDIS_URL REDIS_PRIVATE_HOST DOMAIN_NAME"
    " SECURITY_CONTACT MAIL_URL MAIL_FROM METRICS_ADDRESS CERTIFICATE_ADDRESS"
)


def test_a_file_that_cannot_be_read_is_named(
    make_app: Callable[..., Flask], tmp_path: Path
) -> None:
    (tmp_path / "binary").write_bytes(b"canary \xff\xfe")
    for name in SETTINGS.split():
        for path, reason in {
            tmp_path / "nothing": "_FILE: No such file or directory; make the file readable",
            tmp_path: "_FILE: Is a directory; make the file readable",
            tmp_path / "binary": "_FILE is not text in UTF-8; write the value alone into it",
        }.items():
            found = problems(make_app, **{name: None, f"{name}_FILE": str(path)})
            assert f"{name}{reason}" in found, (name, path)
            assert "canary" not in str(found)


def test_development_answers_on_this_machine_alone() -> None:
    settings = Settings.from_environment({"APP_ENV": "development", "DOMAIN_NAME": "dev.example"})
    assert not settings.production
    assert settings.trusted_hosts == ("localhost", "127.0.0.1", "[::1]", "dev.example")
    assert len(settings.secret_key) == 64
    # A fresh key each time: nothing that is known could sign a cookie.
    assert settings.secret_key != Settings.from_environment({"APP_ENV": "development"}).secret_key


def test_production_and_development_differ_where_they_must(make_app: Callable[..., Flask]) -> None:
    production, development = make_app(), make_app(APP_ENV="development", REDIS_URL=None)
    for app, url, status in [
        (production, "https://service.test", 200),
        (production, "http://service.test", 403),
        (production, "https://localhost", 400),
        (development, "http://localhost", 200),
        (development, "http://evil.example", 400),
    ]:
        scheme = {"X-Forwarded-Proto": url.split(":")[0]}
        assert Browser(app).get(HOME, base_url=url, headers=scheme).status_code == status, url


@asvs("11.2.2")
def test_a_new_key_signs_nobody_out_and_the_second_ends_the_old_one(
    app: Flask, make_app: Callable[..., Flask]
) -> None:
    alice = Browser(app).signed_in_with_password("alice@example.com")
    keys = [secrets.token_urlsafe(48) for _ in range(2)]
    once = Browser(make_app(SECRET_KEY=keys[0], SECRET_KEY_FALLBACKS=str(app.secret_key)))
    twice = Browser(make_app(SECRET_KEY=keys[1], SECRET_KEY_FALLBACKS=keys[0]))
    for visitor in (once, twice):
        visitor.use_credential(alice.credential())
    assert once.is_signed_in()
    assert once.write("Written", "after")
    assert not twice.is_signed_in()
    assert twice.sign_in(alice.email).status_code == SIGNED_IN
