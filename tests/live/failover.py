"""A test that is copied into a rendered service: the primary dies and the standby takes over.

``DATABASE_URL``, ``MIGRATION_DATABASE_URL`` and ``ADMIN_DATABASE_URL`` name both servers;
``FAIL_OVER`` is the command that kills the first and promotes the second.
"""

from __future__ import annotations

import os
import secrets
import shlex
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from app import create_app
from app.settings import Settings
from flask import Flask

from tests import sample
from tests.browser import DOMAIN, PASSWORD, SAMPLES, SETTINGS, SIGNED_IN, WRITTEN, Browser
from tests.conftest import running_redis
from tests.database import dispose

USERS = 4
URLS = ("DATABASE_URL", "MIGRATION_DATABASE_URL", "ADMIN_DATABASE_URL")
LONGEST = 60  # seconds from the failure until every user has written again


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    """The service on both servers, with a database and its tables."""
    settings = {
        "APP_ENV": "production",
        "SECRET_KEY": secrets.token_urlsafe(48),
        "DOMAIN_NAME": DOMAIN,
        "REDIS_URL": f"redis+unix://{tmp_path}/redis.sock",
        **SETTINGS,
        **{name: os.environ[name] for name in URLS},
    }
    with running_redis(tmp_path / "redis.sock"):
        app = create_app(Settings.from_environment(settings))
        for command in ("create", "upgrade"):
            result = app.test_cli_runner().invoke(args=["db", command])
            assert result.exit_code == 0, result.output
        sample.init_app(app)
        sample.create_table(app)
        yield app
        dispose(app)


def test_what_was_acknowledged_is_there_after_a_failover(app: Flask, tmp_path: Path) -> None:
    users = [
        Browser(app, f"203.0.113.{number}").sign_up(f"user{number}@example.com")
        for number in range(USERS)
    ]
    failed_over = threading.Event()

    def write(user: Browser) -> tuple[list[str], list[int], int]:
        """Write 55 rows, or 5 after the failover; return paths, other statuses, and that number."""
        written, refused, since = [], [], 0
        for number in range(55):  # the limit is 60 a minute
            response = user.try_to_write(f"Row {number}", "Text")
            if response.status_code == WRITTEN:
                written.append(str(response.headers["Location"]))
                since += failed_over.is_set()
            else:
                refused.append(response.status_code)
            if since >= 5:
                break
            time.sleep(0.3)
        return written, refused, since

    with ThreadPoolExecutor(USERS) as pool:
        writers = [pool.submit(write, user) for user in users]
        time.sleep(2)
        subprocess.run(shlex.split(os.environ["FAIL_OVER"]), check=True, timeout=LONGEST)
        failed_over.set()
        outcomes = [writer.result(LONGEST) for writer in writers]

    for user, (written, refused, since) in zip(users, outcomes, strict=True):
        assert len(written) > since > 0, "wrote before the failure and after it"
        assert set(refused) <= {503}, "a failure says so, and is no error of the service"
        assert {user.get(path).status_code for path in written} == {200}, "nothing is lost"
        assert user.get(SAMPLES).status_code == 200
    assert users[0].sign_in("user0@example.com", PASSWORD).status_code == SIGNED_IN
    result = app.test_cli_runner().invoke(args=["db", "backup", f"{tmp_path}/after.dump"])
    assert result.exit_code == 0, result.output
