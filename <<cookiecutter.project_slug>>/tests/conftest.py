"""Every test runs the service with production settings: CSRF protection and limits are on."""

from __future__ import annotations

import gc
import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from flask import Flask, has_request_context
from jinja2 import FileSystemBytecodeCache
from sqlalchemy import delete, exists, literal, select

from app import create_app, database
from app.database import Base, backups, db, schema_commands
from app.secret import REDACTED
from app.security import audits, passwords, scope
from app.security.rate_limits import limiter
from app.settings import Settings
from tests import account_locks, needs, sample
from tests.accounts import RememberingHasher
from tests.browser import DOMAIN, SETTINGS, Browser
from tests.database import dispose, migrate, scratch
from tests.live import accepts, running
from tests.needs import PATH
from tests.shared import Shared

# Files that wait for timeouts, or that stop or start many servers. `make test` leaves them out,
# `make check` runs them. They start first: a slow file at the end would leave other processes idle.
SLOW = {
    *("test_account_races.py", "test_bites.py", "test_connections.py", "test_floods.py"),
    *("test_full_disk.py", "test_guard.py", "test_identity_provider.py", "test_imports.py"),
    *("test_instances.py", "test_mail_process.py", "test_mail_role.py", "test_outages.py"),
    *("test_prometheus.py", "test_provider_outages.py", "test_provisioning.py"),
    *("test_restart.py", "test_roles.py", "test_secrets_stay_secret.py", "test_server_outages.py"),
    *("test_storage_faults.py", "test_tls.py", "test_token_outages.py", "test_traceability.py"),
}
# Fixtures that start gunicorn, Nginx or another server: each test that uses one is slow as well.
SERVERS = {"site", "edge", "echo"}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """How many processes ``make test`` starts: some tests wait, so one more than there are cores.

    No more than 8: each takes connections of the database's server.
    """
    return min((os.cpu_count() or 1) + 1, 8)


@pytest.hookimpl(tryfirst=True)  # before pytest selects by mark
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the slow files and the tests of running servers, and put the slow files first."""
    for item in items:
        if item.path.name in SLOW or SERVERS.intersection(getattr(item, "fixturenames", ())):
            item.add_marker("slow")
    items.sort(key=lambda item: item.path.name not in SLOW)


def pytest_collection_finish() -> None:
    """Exclude imported modules from garbage collection: it saves 7% of the processor time."""
    gc.freeze()


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a service in production, with a migrated database."""
    directory = tmp_path_factory.mktemp("service")
    values = {
        "APP_ENV": "production",
        "SECRET_KEY": secrets.token_urlsafe(48),
        "REDIS_URL": f"redis+unix://{directory}/redis.sock",
        "DOMAIN_NAME": DOMAIN,
        "MAIL_URL": "smtp://127.0.0.1:1",  # nobody listens there: mails wait in the outbox
        **SETTINGS,
    }
    with running_redis(directory / "redis.sock"), scratch(directory) as own:
        values |= own
        migrate(values)
        yield values


@contextmanager
def running_redis(socket: Path, **settings: str) -> Iterator[subprocess.Popen[bytes] | None]:
    """A Redis of our own on a unix socket. Without one, limits fall back to memory."""
    program = shutil.which("redis-server", path=PATH)
    if program is None:
        yield None
        return
    options = {"port": "0", "unixsocket": socket, "save": "", "dir": socket.parent, **settings}
    arguments = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    output = socket.with_suffix(".log")
    with running([program, *arguments], output, lambda: accepts(socket), {"PATH": PATH}) as process:
        yield process


@pytest.fixture
def own_database(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The settings for a database of this test alone, not migrated."""
    (tmp_path / "data").mkdir()
    with scratch(tmp_path / "data") as settings:
        yield settings


@pytest.fixture
def own_service(
    make_app: Callable[..., Flask],
    environment: dict[str, str],
    own_database: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Flask:
    """The service with a migrated database of its own, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    migrate({**environment, **own_database})
    return make_app(**own_database)


@pytest.fixture
def own_migrations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the migrations, for a test that adds one."""
    copy = Path(shutil.copytree(database.MIGRATIONS, tmp_path / "migrations"))
    for module in (database, schema_commands, backups):
        monkeypatch.setattr(module, "MIGRATIONS", copy)
    database.heads.cache_clear()
    yield copy
    database.heads.cache_clear()


@pytest.fixture(scope="session", autouse=True)
def versions_read_once() -> Iterator[None]:
    """Read the version of each installed package once, and not for each service that is built."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(audits, "version", cache(audits.version))
        yield


@pytest.fixture(scope="session")
def compiled_templates(tmp_path_factory: pytest.TempPathFactory) -> FileSystemBytecodeCache:
    """The templates, compiled once for all services that are built."""
    return FileSystemBytecodeCache(str(tmp_path_factory.mktemp("templates")))


@pytest.fixture(scope="session")
def remembering_hasher() -> PasswordHasher:
    """The hasher of production, which hashes the same password once."""
    return RememberingHasher(passwords.HASHER)


@pytest.fixture(autouse=True)
def hashing(remembering_hasher: PasswordHasher) -> Iterator[None]:
    """Hash with the strength of production. Tests of hashing itself reuse no hash."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "HASHER", remembering_hasher)
        yield


@pytest.fixture(autouse=True)
def everybodys_rows() -> Iterator[None]:
    """Outside of requests, tests read and write the rows of all users without a reason."""
    by_reason = scope.is_unscoped
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scope, "is_unscoped", lambda it: not has_request_context() or by_reason(it))
        yield


@pytest.fixture(autouse=True)
def accounts_are_locked() -> Iterator[list[str]]:
    """No request and no command writes a row of an account before it holds the account's lock."""
    with account_locks.watched() as early:
        yield early
    assert early == [], "lock the account first, see tests/account_locks.py"


@pytest.fixture
def make_app(build: Callable[..., Flask]) -> Iterator[Callable[..., Flask]]:
    """Build the service with some settings changed; a value of None removes the setting."""
    apps = []

    def make(**changes: str | None) -> Flask:
        apps.append(build(**changes))
        return apps[-1]

    yield make
    for app in apps:
        dispose(app)


@pytest.fixture(scope="session")
def build(
    environment: dict[str, str], compiled_templates: FileSystemBytecodeCache
) -> Callable[..., Flask]:
    """Build the service. The caller disposes of it."""

    def make(**changes: str | None) -> Flask:
        values = {k: v for k, v in {**environment, **changes}.items() if v is not None}
        app = create_app(Settings.from_environment(values))
        sample.init_app(app)
        app.jinja_env.bytecode_cache = compiled_templates
        return app

    return make


@pytest.fixture(scope="session")
def shared(build: Callable[..., Flask]) -> Iterator[Shared]:
    """The app that tests share until one of them changes it."""
    with closing(Shared(build)) as shared:
        yield shared


@pytest.fixture
def own_app() -> None:
    """A new app, for a test whose change of the app :class:`Shared` cannot detect."""


@pytest.fixture
def app(
    request: pytest.FixtureRequest, shared: Shared, environment: dict[str, str]
) -> Iterator[Flask]:
    """The service in production, with an empty database and with all counts at zero.

    With the users all that they own is deleted, also what is not of the service.
    """
    is_shared = has_redis(environment) and "own_app" not in request.fixturenames
    app = shared.get() if is_shared else shared.build()
    # The app only reads the table of backups.
    tables = [it for it in reversed(Base.metadata.sorted_tables) if it.name != "backups"]
    # To ask first is faster: most tables are empty.
    rows = select(*(exists(select(literal(1)).select_from(it)) for it in tables))
    with app.app_context(), db.engine.begin() as connection:
        for table, has_rows in zip(tables, connection.execute(rows).one(), strict=True):
            if has_rows:
                connection.execute(delete(table))
    if has_redis(environment):
        limiter.storage.reset()
    yield app
    if not is_shared:
        dispose(app)


def has_redis(environment: dict[str, str]) -> bool:
    return Path(environment["REDIS_URL"].removeprefix("redis+unix://")).exists()


@pytest.fixture
def needs_redis() -> None:
    """For tests of what Redis does; the others also run without it."""
    needs.program("redis-server")


@pytest.fixture
def new_browser(app: Flask) -> Callable[..., Browser]:
    """Make a browser: ``new_browser()`` or ``new_browser("203.0.113.9")``."""
    return lambda *args: Browser(app, *args)


@pytest.fixture
def browser(app: Flask) -> Browser:
    """Somebody who is not signed in."""
    return Browser(app)


@pytest.fixture
def alice(app: Flask) -> Browser:
    """A signed-in user."""
    return Browser(app, "203.0.113.1").signed_in("alice@example.com")


@pytest.fixture
def bob(app: Flask) -> Browser:
    """Another signed-in user."""
    return Browser(app, "203.0.113.2").signed_in("bob@example.com")


@pytest.fixture
def log(capfd: pytest.CaptureFixture[str]) -> Callable[[], list[dict[str, Any]]]:
    """The log lines written since the last call."""
    return lambda: [json.loads(line) for line in capfd.readouterr().err.splitlines()]


@pytest.fixture
def cli(app: Flask) -> Callable[..., Any]:
    """Run an operator's command: ``cli("users", "disable", "a@example.com")``."""

    def run(*args: str, **kwargs: Any) -> Any:
        done = app.test_cli_runner().invoke(args=list(args), **kwargs)
        assert REDACTED not in done.stdout, "a command shows a Secret, and forgot reveal()"
        return done

    return run
