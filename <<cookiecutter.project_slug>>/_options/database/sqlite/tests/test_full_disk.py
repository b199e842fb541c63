"""A disk that is full, or a file that may not grow: what only reads is served, writes get 503."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask

from app.auth import sessions
from app.database import db
from tests.browser import HOME, SAMPLES, WRITTEN, Browser
from tests.database import dispose, each_connection_runs, migrate
from tests.marks import practice
from tests.test_read_only import Log, failures

pytestmark = practice("auth.best_effort")

SIZE = 1024 * 1024  # bytes of the file system


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for little more than the empty database."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("only root may mount a small file system, where the machine lets it")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture(autouse=True)
def seen_long_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each request tries to write down that its session was seen."""
    monkeypatch.setattr(sessions, "TOUCH_EVERY", timedelta(seconds=-1))


def test_a_full_disk_serves_reads(
    small: Path, make_app: Callable[..., Flask], environment: dict[str, str], log: Log
) -> None:
    database = small / "database.sqlite3"
    database.touch(mode=0o600)
    settings = {"DATABASE_URL": f"sqlite:///{database}"}
    migrate({**environment, **settings})
    app = make_app(**settings)
    alice = Browser(app).sign_up("alice@example.com")
    path = alice.write()
    ballast = small / "ballast"
    with pytest.raises(OSError, match="No space"):
        ballast.write_bytes(bytes(2 * SIZE))
    # What is written goes into space that the log has already, until there is none.
    assert 503 in {alice.try_to_write("T", "B" * 9000).status_code for _ in range(40)}
    log()
    for asked in (HOME, SAMPLES, path):
        assert alice.get(asked).status_code == 200, asked
    assert failures(log)
    dispose(app)
    ballast.unlink()
    assert alice.get(path).status_code == 200
    assert alice.try_to_write("T", "B").status_code == WRITTEN


def test_a_file_that_may_not_grow_serves_reads(app: Flask, alice: Browser, log: Log) -> None:
    path = alice.write()

    dispose(app)
    with app.app_context():
        engine = db.engine
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM")  # no room is left of rows that other tests deleted
    # SQLite takes the size that it has.
    with each_connection_runs(app, "PRAGMA max_page_count = 1"):
        assert 503 in {alice.try_to_write("T", "B" * 9000).status_code for _ in range(5)}
        log()
        for asked in (HOME, SAMPLES, path):
            assert alice.get(asked).status_code == 200, asked
    assert alice.try_to_write("T", "B").status_code == WRITTEN
