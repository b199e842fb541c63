"""Backup and restore: all data comes back, nobody stays signed in, and nothing is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from flask import Flask
from sqlalchemy import inspect, text

from app import database
from app.auth.models import User
from app.database import backups, db, dumps, migration_engine, now
from app.secret import Secret
from tests.browser import SIGNED_IN, Browser
from tests.database import flask_db, scratch
from tests.live import PROJECT
from tests.marks import slow
from tests.sample.models import Sample

ODD = "\U0001f980 'single' \"double\" `tick` back\\slash \\n %s %(x)s :x $1 ; -- /* */ \\. José"
LATER = '''
"""Tags.

Revision: later
"""

import sqlalchemy as sa
from alembic import op

revision = "later"
down_revision = "HEAD"


def upgrade():
    op.create_table(
        "tags",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("name", sa.String(20), nullable=False),
    )


def downgrade():
    op.drop_table("tags")
'''


def add_migration(migrations: Path) -> None:
    """Give the service one more migration, as its next version has; it makes the table tags.

    :param migrations: the fixture ``own_migrations``.
    """
    head = ScriptDirectory(str(migrations)).get_current_head()
    (migrations / "versions" / "later_tags.py").write_text(LATER.replace("HEAD", str(head)))
    database.heads.cache_clear()


@pytest.fixture
def alice(own_service: Flask) -> Browser:
    """A user with rows that a tool could stumble over."""
    browser = Browser(own_service).signed_in("josé.o'neil@example.com")
    browser.write("First", "The body of the first")
    browser.write(ODD, f"<p>{ODD}</p>\r\n\r\n<b>second</b>\nline" + " word" * 1900)
    return browser


def backup(app: Flask, file: str = "saved") -> Path:
    result = flask_db(app, "backup", file)
    assert result.exit_code == 0, result.output
    return Path(file)


def rows(app: Flask) -> dict[str, list[tuple[Any, ...]]]:
    """All that the database holds, without the sessions and the time of the newest backup."""
    with app.app_context(), db.engine.connect() as connection:
        tables = set(inspect(connection).get_table_names()) - {"sessions", "backups"}
        return {
            table: sorted(map(tuple, connection.execute(text(f"SELECT * FROM {table}"))))  # noqa: S608
            for table in sorted(tables)
        }


def before_restore() -> list[Path]:
    return sorted(Path("backups").glob("before-restore-*"))


KILLED = """
import os
from pathlib import Path
from app import create_app
from app.database import backups, dumps

def half(url, target):
    target.write_bytes(b"half")
    os._exit(9)

dumps.backup = half
with create_app().app_context():
    backups.back_up(Path("saved"))
"""


@slow
def test_an_unfinished_backup_has_another_file_name(
    own_service: Flask, environment: dict[str, str], own_database: dict[str, str]
) -> None:
    """A container that is stopped while it writes must not leave what a restore would take."""
    values = os.environ | environment | own_database | {"PYTHONPATH": str(PROJECT)}
    killed = subprocess.run([sys.executable, "-c", KILLED], env=values, check=False)
    assert killed.returncode == 9
    assert [path.name for path in Path().glob("saved*")] == ["saved.partial"]
    backup(own_service)
    assert [path.name for path in Path().glob("saved*")] == ["saved"]


STOPPED = """
import os
import signal
import sys
from app import create_app
from app.database import dumps

command, file = sys.argv[1:]
original = getattr(dumps, command)

def stopped(*arguments):
    original(*arguments)
    os.kill(os.getpid(), signal.SIGTERM)

app = create_app()
setattr(dumps, command, stopped)
sys.exit(app.test_cli_runner().invoke(args=["db", command, file]).exit_code)
"""


@slow
def test_a_command_that_is_stopped_cleans_up(
    own_service: Flask, alice: Browser, environment: dict[str, str], own_database: dict[str, str]
) -> None:
    """The first process of a container must handle SIGTERM; otherwise it is killed later."""
    values = os.environ | environment | own_database | {"PYTHONPATH": str(PROJECT)}

    def stopped(*command: str) -> int:
        return subprocess.run(
            [sys.executable, "-c", STOPPED, *command], env=values, check=False
        ).returncode

    assert stopped("backup", "saved") == 128 + signal.SIGTERM
    assert list(Path().glob("saved*")) == []
    assert alice.is_signed_in()
    backup(own_service)
    assert stopped("restore", "saved") == 128 + signal.SIGTERM
    assert not alice.is_signed_in(), "the backup had this session"
    assert alice.sign_in(alice.email).status_code == SIGNED_IN


@slow
def test_a_restore_brings_back_all_rows_and_ends_all_sessions(
    own_service: Flask, alice: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    was = rows(own_service)
    assert any(ODD in row for row in was["samples"])
    result = flask_db(own_service, "backup")
    assert result.exit_code == 0
    (file,) = Path("backups").iterdir()
    assert f"Wrote {file}. It holds personal data: keep it safe." in result.stdout
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700

    bob = Browser(own_service, "203.0.113.2").sign_up("bob@example.com")
    with own_service.app_context():
        db.session.query(Sample).filter_by(title="First").delete()
        others = User.email != Secret(bob.email)
        db.session.query(User).filter(others).update({"password_hash": None})
        db.session.commit()
    changed = rows(own_service)
    assert changed != was
    result = flask_db(own_service, "restore", file)
    assert result.exit_code == 0, result.output
    assert result.stdout.endswith(f"Restored {file}. Everybody is signed out.\n")
    assert caplog.records[-1].message == "sys_restore"
    assert rows(own_service) == was
    # A cookie that was stolen before is worthless, and the app's role works as before.
    for browser in (alice, bob):
        assert not browser.is_signed_in()
    assert bob.sign_in(bob.email).status_code == 401
    assert alice.sign_in(alice.email).status_code == SIGNED_IN
    assert alice.get(alice.write("After", "the restore")).status_code == 200

    # What was there is not lost.
    (saved,) = before_restore()
    assert f"Backed up the current database to {saved}." in result.stdout
    assert saved.stat().st_mode & 0o777 == 0o600
    saved.rename("was")
    assert flask_db(own_service, "restore", "was").exit_code == 0
    assert rows(own_service) == changed
    assert bob.sign_in(bob.email).status_code == SIGNED_IN


def test_old_backups_are_deleted_and_nothing_else(own_service: Flask, alice: Browser) -> None:
    others = [f"before-restore-2026-01-01T000000{dumps.SUFFIX}", "2026-01-01T000000.txt", "mine"]
    dated = [f"2026-01-0{day}T000000{dumps.SUFFIX}" for day in (1, 2, 3)]
    Path("backups").mkdir()
    for name in [*others, *dated]:
        Path("backups", name).touch()
    result = flask_db(own_service, "backup", "--keep", "2")
    assert result.exit_code == 0, result.output
    assert "Deleted older backups: 2." in result.stdout
    left = {path.name for path in Path("backups").iterdir()}
    assert left > {*others, dated[2]}
    assert len(left) == len(others) + 2  # the new one as well
    for number in ("0", "-1", "x"):
        assert flask_db(own_service, "backup", "--keep", number).exit_code == 2
    assert {path.name for path in Path("backups").iterdir()} == left


def test_a_backup_overwrites_nothing(own_service: Flask, alice: Browser) -> None:
    Path("precious").write_text("precious")
    result = flask_db(own_service, "backup", "precious")
    assert result.exit_code == 1
    assert "File exists" in result.stderr
    assert Path("precious").read_text() == "precious"


@slow
def test_a_backup_that_fails_leaves_no_half_a_file(
    own_service: Flask, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill_the_disk(url: object, target: Path) -> None:
        assert target.stat().st_mode & 0o777 == 0o600  # before the first byte
        target.write_text("half")
        raise OSError(28, "No space left on device")

    file = backup(own_service)
    monkeypatch.setattr(dumps, "backup", fill_the_disk)
    was = rows(own_service)
    for arguments in (["backup"], ["backup", "mine"], ["restore", file]):
        result = flask_db(own_service, *arguments)
        assert result.exit_code == 1
        assert "No space left on device" in result.stderr
    assert list(Path("backups").iterdir()) == []
    assert not Path("mine").exists()
    assert rows(own_service) == was
    assert alice.is_signed_in()


def newest(app: Flask) -> datetime | None:
    """When the newest backup began, as the metrics know it."""
    with app.app_context():
        return backups.newest()


@slow
def test_a_backup_is_recorded_when_it_is_complete_and_not_before(
    own_service: Flask, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = []

    def step(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any) -> Any:
            done.append((name, newest(own_service)))
            return original(*arguments)

        return run

    steps = [(dumps, "backup"), (dumps, "verify"), (os, "fsync"), (Path, "rename")]
    for where, name in steps:
        monkeypatch.setattr(where, name, step(name, getattr(where, name)))
    before = now()
    backup(own_service)
    after = now()
    assert done == [(name, None) for _, name in steps]
    recorded = newest(own_service)
    assert recorded is not None
    assert before <= recorded <= after

    old = datetime(2020, 1, 1, tzinfo=UTC)
    with own_service.app_context():
        backups.record(old)
    assert newest(own_service) == old
    file = backup(own_service, "second")  # one row, whatever was there
    recorded = newest(own_service)
    assert recorded is not None
    assert recorded >= before
    with own_service.app_context():
        backups.record(old)
    assert flask_db(own_service, "restore", file).exit_code == 0
    recorded = newest(own_service)  # the restore began with a backup, which the file does not know
    assert recorded is not None
    assert recorded >= before


def test_an_unreadable_backup_is_refused(
    own_service: Flask, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = dumps.backup

    def cut(url: Any, target: Path) -> None:
        original(url, target)
        with target.open("rb+") as file:
            file.truncate(target.stat().st_size - 30)

    monkeypatch.setattr(dumps, "backup", cut)
    result = flask_db(own_service, "backup", "saved")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert not list(Path().glob("saved*"))
    assert newest(own_service) is None


@slow
def test_a_backup_that_cannot_be_recorded_stays_and_the_operator_is_told(
    own_service: Flask, alice: Browser
) -> None:
    """As before an update: its first step is a backup, by code that is ahead of the schema."""
    with own_service.app_context(), migration_engine().begin() as connection:
        connection.execute(text("DROP TABLE backups"))
    result = flask_db(own_service, "backup", "saved", "--keep", "1")
    assert result.exit_code == 0, "a container would write one after the other"
    assert "Wrote saved." in result.stdout
    assert "the database has not recorded it" in result.stderr
    assert dumps.verify(migration_url(own_service), Path("saved")) is None


def migration_url(app: Flask) -> Any:
    with app.app_context():
        return migration_engine().url


@slow
def test_a_damaged_file_changes_nothing(own_service: Flask, alice: Browser) -> None:
    whole = backup(own_service).read_bytes()
    was = rows(own_service)
    for name, content in {
        "empty": b"",
        "text": b"once upon a time\n" * 1000,
        "beginning": whole[:100],
        "half": whole[: len(whole) // 2],
        "almost": whole[:-30],
        "second half": whole[len(whole) // 2 :],
    }.items():
        Path(name).write_bytes(content)
        result = flask_db(own_service, "restore", name)
        assert result.exit_code == 1, name
        assert result.stderr.startswith("Error: "), name
        assert rows(own_service) == was, name
        assert alice.is_signed_in(), name
        before_restore()[0].unlink()
    assert flask_db(own_service, "restore", "no-such-file").exit_code == 2


@slow
def test_the_backup_of_something_else_changes_nothing(
    own_service: Flask, alice: Browser, make_app: Callable[..., Flask], tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    was = rows(own_service)
    with scratch(tmp_path / "other") as settings:
        other = make_app(**settings)
        for statement in (
            "CREATE TABLE strangers (id INTEGER)",
            "CREATE TABLE alembic_version (version_num VARCHAR(32))",
            "INSERT INTO alembic_version VALUES ('of a newer version')",
        ):
            with other.app_context(), migration_engine().begin() as connection:
                connection.execute(text(statement))
            file = backup(other, "foreign")
            result = flask_db(own_service, "restore", file)
            assert result.exit_code == 1, statement
            assert "which this code does not know; the previous data is restored" in result.stderr
            assert rows(own_service) == was, statement
            assert alice.is_signed_in(), statement
            alice.write("Written", "after all")
            was = rows(own_service)
            file.unlink()
            before_restore()[0].unlink()


@slow
def test_the_backup_of_an_older_version_is_upgraded(
    own_service: Flask, alice: Browser, own_migrations: Path
) -> None:
    was = rows(own_service)
    file = backup(own_service)
    add_migration(own_migrations)
    assert flask_db(own_service, "upgrade").exit_code == 0
    assert set(rows(own_service)) == set(was) | {"tags"}
    result = flask_db(own_service, "restore", file)
    assert result.exit_code == 0, result.output
    assert "Its schema has another version: run `flask db upgrade`." in result.stdout
    assert alice.get("/readyz").json["database"] == "not migrated"
    assert rows(own_service) == was
    assert flask_db(own_service, "upgrade").exit_code == 0
    assert set(rows(own_service)) == set(was) | {"tags"}
    assert alice.sign_in(alice.email).status_code == SIGNED_IN


@slow
def test_a_new_server_gets_the_old_data(
    own_service: Flask, alice: Browser, make_app: Callable[..., Flask], tmp_path: Path
) -> None:
    file = backup(own_service)
    was = rows(own_service)
    (tmp_path / "new").mkdir()
    with scratch(tmp_path / "new") as settings:
        new = make_app(**settings)
        result = flask_db(new, "restore", file)
        assert result.exit_code == 0, result.output
        assert rows(new) == was
        assert Browser(new).sign_in(alice.email).status_code == SIGNED_IN
        with new.app_context():
            for engine in db.engines.values():
                engine.dispose()


# A new session can get the number of one that a request has read before the restore.
@slow
@pytest.mark.filterwarnings("ignore:Identity map already had an identity")
def test_the_service_may_run_meanwhile(own_service: Flask, alice: Browser) -> None:
    """Requests are answered or told to come back; a backup is of one moment."""
    statuses: Counter[int] = Counter()
    over = threading.Event()

    def visit(number: int) -> None:
        browser = Browser(own_service, f"203.0.113.{number}")
        while not over.is_set():
            statuses.update(browser.do_everything(alice.email, alice.password))

    visitors = [threading.Thread(target=visit, args=(n,)) for n in (10, 11, 12)]
    for visitor in visitors:
        visitor.start()
    try:
        for n in range(3):
            file = backup(own_service, f"running-{n}")
            result = flask_db(own_service, "restore", file)
            assert result.exit_code == 0, result.output
            before_restore()[0].unlink()
    finally:
        over.set()
        for visitor in visitors:
            visitor.join()
    # 400: the form was of a session that the restore has ended.
    assert set(statuses) <= {200, 201, 302, 400, 401, 409, 429, 503}, statuses
    assert statuses[200], statuses
    with own_service.app_context(), db.engine.connect() as connection:
        orphans = "SELECT COUNT(*) FROM samples WHERE owner_id NOT IN (SELECT id FROM users)"
        assert connection.execute(text(orphans)).scalar() == 0
    assert alice.get("/readyz").json["database"] == "ok"
