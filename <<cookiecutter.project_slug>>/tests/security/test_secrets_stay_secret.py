"""Secrets in logs: every route with started servers, and every secret that was in it.

A new route that no flow asks for fails the test. Whatever a field, a cookie or a header named like a secret carried, in either direction, is searched
for in all that the servers wrote, and in the command line and the environment of each process.
"""

from __future__ import annotations

import copy
import json
import os
import pickle
import re
import secrets
import subprocess
import sys
# <% if cookiecutter.auth == "oidc" %>
import time
# <% endif %>
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
# <% if cookiecutter.auth == "oidc" %>
from functools import partial
# <% endif %>
from itertools import count
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qsl, quote, quote_plus, urlsplit

import pytest
import redis
from flask import Flask
from sqlalchemy import make_url, select

from app.auth.models import User
from app.database import db
from app.secret import Secret
from app.settings import Settings
from tests import live, scenarios
# <% if cookiecutter.auth == "oidc" %>
from tests.browser import WRITE, Browser
# <% elif cookiecutter.auth == "session" %>
from tests.browser import (
    CHANGED,
    PASSWORD,
    PASSWORD_SET,
    RESET,
    SIGNED_IN,
    WRITE,
    Browser,
    link_query,
)
# <% else %>
from tests.browser import CHANGED, PASSWORD, PASSWORD_SET, SIGNED_IN, WRITE, Browser
# <% endif %>
from tests.conftest import running_redis
from tests.database import migrate
from tests.live import Answer
# <% if cookiecutter.auth != "oidc" %>
from tests.mailbox import TOKEN, mails, newest_token
# <% endif %>
from tests.marks import asvs, practice
# <% if cookiecutter.auth != "oidc" %>
from tests.password_actions import ask_for_account, ask_for_reset, open_account, set_password
# <% endif %>
# <% if cookiecutter.auth == "oidc" %>
from tests.real_provider import CLIENT_ID, RealProvider, real_provider
# <% endif %>
from tests.resources import NEW_PASSWORD
from tests.routes import routes
# <% if cookiecutter.auth == "oidc" %>
from tests.stub import STUB
# <% endif %>
from tests.test_instances import Remote, Send, through_nginx

pytestmark = practice("secret")

NAMES = re.compile(
    r"passw|confirm|email|token|csrf|secret|code|state|nonce|verifier|sid|ticket|challenge", re.I
)
NO_SECRETS = {"token_type", "Bearer", "error_description"}
SETTINGS = ("SECRET_KEY", "REDIS_URL", "OIDC_CLIENT_SECRET")
DEVELOPMENT = {"APP_ENV": "development"}
SHORTEST = 8  # characters; a shorter one would be found by chance
CSRF_FIELD = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')
CODE = re.compile(r"<code[^>]*>([^<]+)</code>")  # what a user has to copy
ASKED_BY = {"GET", "POST", "PUT", "PATCH", "DELETE"}
# Files, and what Nginx lets nobody ask for. All take no secret and show none.
NO_FLOW = {("static", "GET"), ("health.alive", "GET"), ("health.ready", "GET")}


class Witness:
    """Sends on what a browser sends, and keeps every secret that it sees."""

    def __init__(self, send: Send, app: Flask) -> None:
        self.send, self.app = send, app
        self.known: dict[str, str] = {}
        self.answered: set[tuple[str, str]] = set()  # endpoints that succeeded, and how

    def __call__(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        self.read("sent", body.decode("utf-8", "replace"))
        self.read("sent", urlsplit(path).query)
        self.keep("access token", headers.get("Authorization", "").partition(" ")[2])
        answer = self.send(method, path, headers, body)
        self.read("answered", answer.body)
        for name, value in answer.headers:
            if name == "location":
                self.read("location", urlsplit(value).query)
            elif name == "set-cookie":
                self.read_cookie(*value.partition(";")[0].split("=", 1))
        for value in CSRF_FIELD.findall(answer.body):
            self.keep("csrf_token", value)
        if answer.status < 400:
            for value in CODE.findall(answer.body):
                self.keep("a code on a page", value)
            endpoint, _ = self.app.url_map.bind("").match(urlsplit(path).path, method)
            self.answered.add((endpoint, method))
        return answer

    def read(self, place: str, text: str) -> None:
        """Keep the secret fields of a form, a query or a JSON object."""
        try:
            fields = json.loads(text)
        except ValueError:
            fields = dict(parse_qsl(text)) if "<" not in text else {}
        self.read_fields(place, fields)

    def read_fields(self, place: str, fields: Any) -> None:
        for name, value in fields.items() if isinstance(fields, dict) else ():
            if isinstance(value, dict):
                self.read_fields(place, value)
            elif isinstance(value, list):
                for one in value:
                    self.read_fields(place, one if isinstance(one, dict) else {name: one})
            elif NAMES.search(name) and isinstance(value, str) and name not in NO_SECRETS:
                self.keep(f"{name}, {place}", value)

    def read_cookie(self, name: str, value: str) -> None:
        """Keep the cookie and what the signed one has: the session's token, state, nonce."""
        self.keep("cookie", value)
        with self.app.app_context():
            serializer = self.app.session_interface.get_signing_serializer(self.app)
        if serializer and value and name == self.app.config["SESSION_COOKIE_NAME"]:
            self.read_fields("cookie", serializer.loads(value))

    def keep(self, name: str, value: str) -> None:
        if len(value) >= SHORTEST:
            self.known.setdefault(value, name)


def found(known: Mapping[str, str], text: str) -> set[str]:
    """The names of the secrets that a text has, as they are or encoded."""
    return {
        name
        for value, name in known.items()
        for shape in (value, quote(value, safe=""), quote_plus(value), json.dumps(value)[1:-1])
        if shape in text or b64encode(value.encode()).decode().rstrip("=") in text
    }


def children() -> Iterator[Path]:
    """Each process that this one has started, and those that they have started."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):  # it has just ended
            continue
    for process in parents:
        ancestor = process
        while ancestor in parents and ancestor != os.getpid():
            ancestor = parents[ancestor]
        if ancestor == os.getpid() and process != os.getpid():
            yield Path("/proc", str(process))


def processes() -> str:
    """The command lines and environments of those processes; the provider's is not ours."""
    texts = []
    for process in children():
        try:
            command, environment = (
                (process / file).read_bytes().decode("utf-8", "replace")
                for file in ("cmdline", "environ")
            )
        except OSError:  # it has just ended
            continue
        texts += [command, "" if "provider.mjs" in command else environment]
    return "\n".join(texts)


def written(*folders: Path) -> str:
    """What all servers wrote. Keys, the database and the given files are no output."""
    files = [it for folder in folders for kind in ("*.log", "*.out") for it in folder.rglob(kind)]
    assert files
    return "\n".join(path.read_text(errors="replace") for path in sorted(set(files)))


def as_files(values: dict[str, str], folder: Path) -> dict[str, str]:
    """The settings, each secret one in a file: an environment is visible to all children."""
    folder.mkdir()
    given = {}
    for name, value in values.items():
        if not re.search("KEY|URL|SECRET", name):
            given[name] = value
            continue
        (folder / name).write_text(value)
        (folder / name).chmod(0o600)
        given[f"{name}_FILE"] = str(folder / name)
    return given


# In one process, as each needs a second to import the service.
COMMANDS = """
import json, sys
from flask.cli import main

for command in json.loads(sys.argv[1]):
    sys.argv = ["flask", "--app", "wsgi", *command]
    try:
        main()
    except SystemExit as ended:
        print("ended with", ended.code)
"""


def run_commands(settings: Mapping[str, str], folder: Path, email: str) -> str:
    """What an operator's commands print about this user, and what they print when they fail."""
    commands = [
        ["users", "show", email],
        # <% if cookiecutter.auth != "oidc" %>
        ["users", "reset", email],
        ["users", "reset", "nobody.at.all@example.com"],
        # <% endif %>
        ["mail", "status"],
        ["keys", "reencrypt"],
        ["db", "backup", str(folder / "backup")],
        ["db", "restore", str(folder / "nothing")],
    ]
    done = subprocess.run(
        [sys.executable, "-c", COMMANDS, json.dumps(commands)],
        cwd=live.PROJECT,
        env={"PATH": live.PATH, "FLASK_SKIP_DOTENV": "1", **settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.count("ended with") == len(commands), done.stdout
    return done.stdout + done.stderr


# <% if cookiecutter.auth == "oidc" %>
def sign_in_at(provider: RealProvider, url: str, who: str, /, **_: Any) -> str:
    """Sign in at the real provider, where the shared tests have a stub."""
    return provider.person().authorize(url, who)


def sign(provider: RealProvider, typ: str | None = None, **claims: Any) -> str:
    """A logout token of the real provider, where the stub would sign one."""
    at = int(time.time())
    usual = {"iss": provider.issuer, "aud": CLIENT_ID, "iat": at, "exp": at + 300}
    return provider.sign(usual | claims)


# <% endif %>
def from_everywhere(site: live.Site) -> Send:
    """Each request from another address: what one address may do is not the question here."""
    numbers = count(256)

    def send(method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        high, low = divmod(next(numbers), 250)
        return through_nginx(site, f"127.78.{high}.{low + 1}")(method, path, headers, body)

    return send


def use_wrongly(browser: Browser, come_back: Callable[[str], str]) -> None:
    """What takes a secret, with right and wrong input; it does not matter where it ends.

    :param come_back: signs in at the provider, from the address that the service redirects to.
    """
    email = "harriet.longname@example.com"
    # <% if cookiecutter.auth == "oidc" %>
    browser.sign_in(email, "wrong-password-of-harriet")
    path = come_back(browser.start())
    browser.get(path.replace("state=", "state=forged-state-"))
    assert browser.get(path).status_code == 302
    browser.get(path)  # used twice
    # <% else %>
    assert browser.sign_up(email).is_signed_in()
    ask_for_account(browser, email)  # known
    open_account(browser, "forged-token-of-a-mail-that-nobody-sent", PASSWORD)
    ask_for_reset(browser, email)
    token = newest_token(browser.app, email)
    # <% if cookiecutter.__interface == "html" %>
    assert browser.get(f"{RESET}?token={token}").status_code == 200
    # <% endif %>
    assert set_password(browser, token, PASSWORD).status_code == PASSWORD_SET
    set_password(browser, token, PASSWORD)  # used twice
    browser.sign_in(email, "wrong-password-of-harriet")
    browser.sign_in("nobody.at.all@example.com", "wrong-password-of-nobody")
    assert browser.sign_in(email).status_code == SIGNED_IN
    browser.change_password("wrong-current-password", NEW_PASSWORD)
    assert browser.change_password(PASSWORD, NEW_PASSWORD).status_code == CHANGED
    # <% endif %>
    browser.write("A title", "A body")
    assert browser.get("/fail").status_code == 500
    # <% if cookiecutter.__interface == "json" %>
    old = browser.refresh_token
    assert browser.refresh().status_code == 200
    browser.refresh("forged.refresh.token.value")
    for value in ("Bearer forged.access.token-value", "Basic Zm9yZ2VkLWJhc2ljOnZhbHVl"):
        browser.get("/api/v1/me", headers={"Authorization": value})
    assert browser.sign_out().status_code == 204
    browser.refresh(old)  # used twice
    # <% else %>
    browser.get("/account/")
    browser.post("/samples/new", {"title": "T", "csrf_token": "forged-csrf-token-in-a-form"})
    assert browser.sign_out().status_code == 302
    # <% endif %>


@asvs("16.2.5", "13.3.1", "14.2.1")
def test_no_secret_is_written_anywhere(
    make_app: Callable[..., Flask],
    environment: dict[str, str],
    own_database: dict[str, str],
    needs_redis: None,
    # <% if cookiecutter.auth == "oidc" %>
    monkeypatch: pytest.MonkeyPatch,
    # <% endif %>
    tmp_path: Path,
) -> None:
    password = f"redis-{secrets.token_urlsafe(16)}"
    socket = tmp_path / "redis.sock"
    settings = {
        **environment,
        **own_database,
        "REDIS_URL": f"redis+unix://:{password}@{socket}",
        "SECRET_KEY": secrets.token_urlsafe(48),
    }
    with ExitStack() as stack:
        stack.enter_context(running_redis(socket))
        # Not in its arguments, which everybody on the machine can read.
        with redis.Redis(unix_socket_path=str(socket)) as connection:
            connection.config_set("requirepass", password)
        # <% if cookiecutter.auth == "oidc" %>
        provider = stack.enter_context(real_provider(tmp_path / "provider"))
        settings |= provider.settings()
        come_back = provider.person().authorize
        # <% else %>
        come_back = str
        # <% endif %>
        migrate(settings)
        given = as_files(settings, tmp_path / "given")
        with live.gunicorn(tmp_path, given, "tests.failing:app") as app:
            site = stack.enter_context(live.nginx(tmp_path, app))
            witness = Witness(from_everywhere(site), make_app(**settings))
            url = make_url(settings["DATABASE_URL"])
            for name, value in {
                **{name: settings.get(name, "") for name in SETTINGS},
                "the password of Redis": password,
                "the password of the database": url.password or "",
                "a secret of a view": "made-in-a-view-that-fails",
                "a password": NEW_PASSWORD,
            }.items():
                witness.keep(name, value)
            service = cast(Flask, Remote(witness.app, witness))
            # <% if cookiecutter.auth == "oidc" %>
            monkeypatch.setattr(STUB, "sign", partial(sign, provider))
            monkeypatch.setattr(STUB, "authorize", partial(sign_in_at, provider))
            at_provider = lambda _, email: not email.startswith("operator")  # noqa: E731
            monkeypatch.setattr(Browser, "is_at_provider", at_provider)
            # <% endif %>
            first = Browser(service).sign_up("ingrid.longname@example.com")
            scenarios.fill(witness.app)
            scenarios.use_everything(service, first, health=())
            browser: Any = Browser(service)
            use_wrongly(browser, come_back)
            paths = [WRITE]
            # <% if cookiecutter.auth == "oidc" %>
            paths += [come_back(browser.start())]
            # <% endif %>
            # <% if cookiecutter.auth == "session" %>
            paths += [RESET + link_query(witness.app, "links.reset", browser.email)]
            witness.keep("the token of a link", paths[-1].partition("=")[2])
            # <% endif %>
            # <% if cookiecutter.auth == "oidc" %>
            for tokens in provider.issued():
                witness.read_fields("issued by the provider", tokens)
            assert "access_token, issued by the provider" in witness.known.values()
            # <% endif %>
            with witness.app.app_context():  # also those that the provider alone has named
                for address in db.session.scalars(select(User.email)):
                    witness.keep("email of an account", address.reveal())
            running = processes()
            printed = run_commands(given, tmp_path, browser.email)
            # <% if cookiecutter.auth != "oidc" %>
            assert newest_token(witness.app, browser.email)  # a command made it
            for mail in mails(witness.app):
                for token in TOKEN.findall(mail.text):
                    witness.keep("the token of a mail", token)
            # <% endif %>
        for path in paths:  # to Nginx alone, which has more to say then
            assert browser.get(path).status_code == 502
    offered = {(it.endpoint, it.method) for it in routes(witness.app) if it.method in ASKED_BY}
    assert offered - witness.answered <= NO_FLOW, "no flow asks for these with success"
    text = written(tmp_path)
    kept = sorted(set(witness.known.values()))
    assert len(kept) >= 10, kept
    for proof in ("RuntimeError", "/fail", "upstream", "gunicorn"):
        assert proof in text, "the servers wrote too little: nothing is proven"
    assert "tests.failing:app" in running
    assert found(witness.known, text) == set(), "in what the servers wrote"
    assert found(witness.known, running) == set(), "in a command line or an environment"
    assert browser.email in printed, "the commands printed too little: nothing is proven"
    # Addresses are what the operator asks for.
    known = {value: name for value, name in witness.known.items() if not name.startswith("email")}
    assert found(known, printed) == set(), "in what a command printed"


def test_a_secret_is_found_in_every_encoding() -> None:
    known = {"a b/c+d'e%f": "token"}
    for text in ("x a b/c+d'e%f x", "?t=a%20b%2Fc%2Bd%27e%25f", "?t=a+b%2Fc%2Bd%27e%25f"):
        assert found(known, text) == {"token"}
    assert found(known, b64encode(b"a b/c+d'e%f").decode()) == {"token"}
    assert found(known, "nothing") == set()


@asvs("16.2.5")
@pytest.mark.parametrize(
    "show",
    [
        str,
        repr,
        "{}".format,
        "{!r}".format,
        lambda it: f"{it}",
        lambda it: "%s %r" % (it, it),  # noqa: UP031 - as a log does it
        lambda it: str([it, {"key": it}]),
        lambda it: str(RuntimeError(it)),
        lambda it: json.dumps({"key": it}, default=str),
        lambda it: repr(replace(Settings.from_environment(DEVELOPMENT), secret_key=it)),
    ],
)
def test_a_secret_does_not_show_its_text(show: Callable[[Secret], str]) -> None:
    shown = show(Secret("the-text-of-the-secret"))
    assert "the-text" not in shown
    assert "[redacted]" in shown


def test_a_secret_cannot_be_used_as_text() -> None:
    secret = Secret("the-text-of-the-secret")
    for use in (
        lambda: "Bearer " + secret,  # type: ignore[operator]
        lambda: secret.encode(),  # type: ignore[attr-defined]
        lambda: "".join([secret]),  # type: ignore[list-item]
        lambda: json.dumps(secret),
        lambda: pickle.dumps(secret),
        lambda: copy.deepcopy(secret),
    ):
        with pytest.raises((TypeError, AttributeError)):
            use()
    assert secret.reveal() == "the-text-of-the-secret"
    assert secret == "the-text-of-the-secret"
    assert secret == Secret("the-text-of-the-secret")
    assert secret != "another"
    assert secret != 5
    assert (len(secret), bool(secret), bool(Secret(""))) == (22, True, False)
    assert {secret: 1}[Secret("the-text-of-the-secret")] == 1
