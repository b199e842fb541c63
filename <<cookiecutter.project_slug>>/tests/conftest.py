"""Every test runs the service with production settings: CSRF protection and limits are on."""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete

from app import create_app
from app.database import Base, db
from app.security.rate_limits import limiter
from app.settings import Settings
from tests.browser import DOMAIN, SETTINGS, Browser
from tests.database import dispose, migrate, scratch
from tests.live import accepts

NO_REDIS = "no redis-server on this machine; install it (apt-get install redis-server)"


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a service in production, with a migrated database."""
    directory = tmp_path_factory.mktemp("service")
    values = {
        "APP_ENV": "production",
        "SECRET_KEY": secrets.token_urlsafe(48),
        "REDIS_URL": f"redis+unix://{directory}/redis.sock",
        "DOMAIN_NAME": DOMAIN,
        **SETTINGS,
    }
    with running_redis(directory / "redis.sock"), scratch(directory) as database:
        values |= database
        migrate(values)
        yield values


@contextmanager
def running_redis(socket: Path, **settings: str) -> Iterator[subprocess.Popen[bytes] | None]:
    """A Redis of our own on a unix socket. Without one, limits fall back to memory."""
    program = shutil.which("redis-server")
    if program is None:
        yield None
        return
    options = {"port": "0", "unixsocket": socket, "save": "", "dir": socket.parent, **settings}
    arguments = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    with subprocess.Popen([program, *arguments], stdout=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 10
        while not accepts(socket):  # it is there a moment before it listens
            assert time.monotonic() < deadline, "redis-server does not start"
            time.sleep(0.01)
        try:
            yield process
        finally:
            process.kill()  # one that a test has stopped would not hear anything else


@pytest.fixture
def own_database(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The settings for a database of this test alone, not migrated."""
    (tmp_path / "data").mkdir()
    with scratch(tmp_path / "data") as settings:
        yield settings


@pytest.fixture
def make_app(environment: dict[str, str]) -> Iterator[Callable[..., Flask]]:
    """Build the service with some settings changed; a value of None removes the setting."""
    apps = []

    def make(**changes: str | None) -> Flask:
        values = {k: v for k, v in {**environment, **changes}.items() if v is not None}
        apps.append(create_app(Settings.from_environment(values)))
        return apps[-1]

    yield make
    for app in apps:
        dispose(app)


@pytest.fixture
def app(make_app: Callable[..., Flask], environment: dict[str, str]) -> Flask:
    """The service in production, with an empty database and no attempt counted yet."""
    app = make_app()
    with app.app_context():
        for table in reversed(Base.metadata.sorted_tables):
            db.session.execute(delete(table))
        db.session.commit()
    if has_redis(environment):
        limiter.storage.reset()
    return app


def has_redis(environment: dict[str, str]) -> bool:
    return Path(environment["REDIS_URL"].removeprefix("redis+unix://")).exists()


@pytest.fixture
def needs_redis(environment: dict[str, str]) -> None:
    """Skip where there is no Redis."""
    if not has_redis(environment):
        pytest.skip(NO_REDIS)


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
    return Browser(app, "203.0.113.1").sign_up("alice@example.com")


@pytest.fixture
def bob(app: Flask) -> Browser:
    """Another signed-in user."""
    return Browser(app, "203.0.113.2").sign_up("bob@example.com")


@pytest.fixture
def log(capfd: pytest.CaptureFixture[str]) -> Callable[[], list[dict[str, Any]]]:
    """The log lines written since the last call."""
    return lambda: [json.loads(line) for line in capfd.readouterr().err.splitlines()]


@pytest.fixture
def cli(app: Flask) -> Callable[..., Any]:
    """Run an operator's command: ``cli("users", "disable", "a@example.com")``."""
    return lambda *args, **kwargs: app.test_cli_runner().invoke(args=list(args), **kwargs)
